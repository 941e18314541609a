"""Encode an account as one JSON text, which column `accounts.facts` stores, and decode it.

The text consists of arrays with the fields of the core's records, and msgspec decodes it straight into these records.
Append a new field at the end and give it a default, so that older texts can still be read. The views of the database
depend on this order too.
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
"""What `load_account` raises for a text that `dump_account` has not written."""


class FirstSeen(NamedTuple):
    """When Unenroll first received each fact of an account, in the order of the facts."""

    enrollments: tuple[datetime, ...] = ()
    leaves: tuple[datetime, ...] = ()
    rewards: tuple[datetime, ...] = ()
    issued: tuple[datetime, ...] = ()


NOTHING_SEEN = FirstSeen()


class StoredAccount(NamedTuple):
    """A decoded account, and when each of its facts was first received."""

    state: AccountState
    first_seen: FirstSeen


class _Standing(NamedTuple):
    """The standing of a reward. `leave` and `cancelled_by` are indexes into the leaves of the account."""

    state: RewardState
    rule: Rule
    action: RewardAction | None
    revision: int
    leave: int | None
    cancelled_by: int | None


class _Text(NamedTuple):
    """The text. `settled_leaves` has the order of `leaves`, and `standings` that of `rewards`."""

    version: int
    revision: int
    enrollments: tuple[Enrollment, ...]
    leaves: tuple[Leave, ...]
    rewards: tuple[Reward, ...]
    issued: dict[str, datetime]
    settled_leaves: tuple[SettledLeave, ...]
    standings: tuple[_Standing, ...]
    first_seen: FirstSeen


_DECODER = msgspec.json.Decoder(_Text)
_ENCODER = msgspec.json.Encoder()


def dump_account(state: AccountState, first_seen: FirstSeen, *, now: datetime) -> str:
    """Return the account as text. Facts that `first_seen` does not have yet are received `now`."""
    account, settled = state.account, state.settled
    text = (
        _VERSION,
        settled.revision,
        account.enrollments,
        account.leaves,
        account.rewards,
        dict(account.issuances),
        [settled.leaves[leave.key] for leave in account.leaves],
        _standings(state),
        (
            _extend(first_seen.enrollments, account.enrollments, now),
            _extend(first_seen.leaves, account.leaves, now),
            _extend(first_seen.rewards, account.rewards, now),
            _extend(first_seen.issued, account.issuances, now),
        ),
    )
    return _ENCODER.encode(text).decode()


def load_account(text: str, *, customer_id: int, target_id: int) -> StoredAccount:
    """Return the account in a text of `dump_account`. Raises ValueError for a text of another version."""
    version, revision, enrollments, leaves, rewards, issued, settled_leaves, standings, first_seen = _DECODER.decode(
        text
    )
    if version != _VERSION:
        raise ValueError(f"the account has version {version}; this program reads version {_VERSION}")
    account = Account(customer_id, target_id, enrollments, leaves, rewards, issued)
    settled = SettledAccount(
        leaves={leave.key: settled for leave, settled in zip(leaves, settled_leaves, strict=True)},
        rewards={
            reward.reward_id: _settled(standing, leaves) for reward, standing in zip(rewards, standings, strict=True)
        },
        revision=revision,
    )
    return StoredAccount(AccountState(account=account, settled=settled), first_seen)


def _extend(times: tuple[datetime, ...], facts: Sized, now: datetime) -> tuple[datetime, ...]:
    """Return one time for each fact: a new fact is received `now`."""
    return times + (now,) * (len(facts) - len(times))


def _standings(state: AccountState) -> list[_Standing]:
    indexes: dict[EventId | None, int | None] = {None: None}
    for index, leave in enumerate(state.account.leaves):
        indexes[leave.key] = index
    rewards = state.settled.rewards
    standings = []
    for reward in state.account.rewards:
        reward_state, rule, action, revision, leave_key, cancelled_by = rewards[reward.reward_id]
        standings.append(_Standing(reward_state, rule, action, revision, indexes[leave_key], indexes[cancelled_by]))
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
