"""An account as the database keeps it: one JSON text of arrays, the core's records field by field.

They are read straight into these records. A new field of one goes to its end and has a default, so that older texts can
be read. The views of the database count on the order as well.
"""

from collections.abc import Sequence, Sized
from datetime import datetime
from typing import NamedTuple

import msgspec

from unenroll.core.changes import SettledAccount, SettledLeave, SettledReward
from unenroll.core.decide import AccountState
from unenroll.core.events import EventId
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.core.standings import RewardAction, RewardState, Rule

_VERSION = 1

UNREADABLE = (ValueError, LookupError, msgspec.MsgspecError)
"""What `load_account` raises for a text that `dump_account` never wrote."""


class FirstSeen(NamedTuple):
    """When each fact of an account was first read, in the order of the account's facts."""

    enrollments: tuple[datetime, ...] = ()
    leaves: tuple[datetime, ...] = ()
    rewards: tuple[datetime, ...] = ()
    issued: tuple[datetime, ...] = ()


NOTHING_SEEN = FirstSeen()


class StoredAccount(NamedTuple):
    """What a text of `dump_account` says."""

    state: AccountState
    seen: FirstSeen


class _Standing(NamedTuple):
    """What a reward was last settled to. `leave` and `cancelled_by` are positions among the account's leaves."""

    state: RewardState
    rule: Rule
    action: RewardAction | None
    revision: int
    leave: int | None
    cancelled_by: int | None


class _Text(NamedTuple):
    """`settled_leaves` and `standings` are in the order of the leaves and of the rewards."""

    version: int
    revision: int
    enrollments: tuple[Enrollment, ...]
    leaves: tuple[Leave, ...]
    rewards: tuple[Reward, ...]
    issued: dict[str, datetime]
    settled_leaves: tuple[SettledLeave, ...]
    standings: tuple[_Standing, ...]
    seen: FirstSeen


_DECODER = msgspec.json.Decoder(_Text)
_ENCODER = msgspec.json.Encoder()


def dump_account(state: AccountState, seen: FirstSeen, *, now: datetime) -> str:
    """The account as text. A fact that is not among the `seen` yet is seen `now`."""
    account, settled = state.account, state.settled
    text = (
        _VERSION,
        settled.revision,
        account.enrollments,
        account.leaves,
        account.rewards,
        dict(account.issued),
        [settled.leaves[leave.key] for leave in account.leaves],
        _standings(state),
        (
            _seen(account.enrollments, seen.enrollments, now),
            _seen(account.leaves, seen.leaves, now),
            _seen(account.rewards, seen.rewards, now),
            _seen(account.issued, seen.issued, now),
        ),
    )
    return _ENCODER.encode(text).decode()


def load_account(text: str, *, customer_id: int, target_id: int) -> StoredAccount:
    """The account in a text of `dump_account`. Raises ValueError for one of another version."""
    version, revision, enrollments, leaves, rewards, issued, settled_leaves, standings, seen = _DECODER.decode(text)
    if version != _VERSION:
        raise ValueError(f"an account is of version {version}, not {_VERSION}")
    account = Account(customer_id, target_id, enrollments, leaves, rewards, issued)
    settled = SettledAccount(
        leaves={leave.key: now for leave, now in zip(leaves, settled_leaves, strict=True)},
        rewards={reward.reward_id: _settled(now, leaves) for reward, now in zip(rewards, standings, strict=True)},
        revision=revision,
    )
    return StoredAccount(AccountState(account=account, settled=settled), seen)


def _seen(facts: Sized, known: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    return known + (now,) * (len(facts) - len(known))


def _standings(state: AccountState) -> list[_Standing]:
    positions: dict[EventId | None, int | None] = {None: None}
    for position, leave in enumerate(state.account.leaves):
        positions[leave.key] = position
    rewards = state.settled.rewards
    standings = []
    for reward in state.account.rewards:
        stands, rule, action, revision, governing, cancelling = rewards[reward.reward_id]
        standings.append(_Standing(stands, rule, action, revision, positions[governing], positions[cancelling]))
    return standings


def _settled(standing: _Standing, leaves: Sequence[Leave]) -> SettledReward:
    state, rule, action, revision, leave, cancelled_by = standing
    return SettledReward(
        state,
        rule,
        action,
        revision,
        None if leave is None else leaves[leave].key,
        None if cancelled_by is None else leaves[cancelled_by].key,
    )
