"""An account as the database keeps it: one JSON text, its facts and what they were last settled to as rows of arrays.

The views of the database name the columns: a change here is a new version, and a new step of the migrations.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain, repeat
from typing import NamedTuple

import msgspec

from unenroll.core.changes import Settled, SettledLeave, SettledReward
from unenroll.core.decide import AccountState
from unenroll.core.events import Allocation, EventId, Origin, Value
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import Action, Rule, State

_VERSION = 1


class Seen(NamedTuple):
    """When each fact of an account was first read, in the order of the account's tuples."""

    enrollments: tuple[datetime, ...] = ()
    leaves: tuple[datetime, ...] = ()
    rewards: tuple[datetime, ...] = ()
    issued: tuple[datetime, ...] = ()


NOTHING_SEEN = Seen()


class StoredAccount(NamedTuple):
    """What a text of `dump_account` says."""

    state: AccountState
    seen: Seen


class _Row(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Fields without names, in an order that never changes."""


class _Enrollment(_Row, frozen=True):
    id: str
    source: str
    enrolled_at: datetime
    from_cycle: int | None
    initial_balance: Decimal | None
    reset_streak_status: bool
    origin: Origin
    seen_at: datetime


class _Leave(_Row, frozen=True):
    id: str
    source: str
    effective_at: datetime
    reason: str | None
    requested_by: str | None
    outcome: Outcome
    first_dropped: int | None
    seen_at: datetime


class _Reward(_Row, frozen=True):
    """`leave` and `cancelled_by` are positions among the account's leaves."""

    reward_id: str
    cycle: int
    allocation: Allocation
    achieved_at: datetime
    level: int | None
    amount: Decimal | None
    unit: str | None
    state: State
    rule: Rule
    action: Action | None
    revision: int
    leave: int | None
    cancelled_by: int | None
    seen_at: datetime


class _Issuance(_Row, frozen=True):
    reward_id: str
    issued_at: datetime
    seen_at: datetime


class _Account(_Row, frozen=True):
    version: int
    revision: int
    enrollments: tuple[_Enrollment, ...]
    leaves: tuple[_Leave, ...]
    rewards: tuple[_Reward, ...]
    issued: tuple[_Issuance, ...]


_DECODER = msgspec.json.Decoder(_Account)
_ENCODER = msgspec.json.Encoder(decimal_format="string")


def dump_account(state: AccountState, seen: Seen, *, now: datetime) -> str:
    """The account as text. A fact that is not among the `seen` yet is seen `now`."""
    account, settled = state.account, state.settled
    positions = {leave.key: position for position, leave in enumerate(account.leaves)}
    stored = _Account(
        _VERSION,
        settled.revision,
        tuple(map(_enrollment_row, account.enrollments, _seen(seen.enrollments, now))),
        tuple(
            _Leave(
                *leave.key, leave.effective_at, leave.reason, leave.requested_by, *settled.leaves[leave.key], seen_at
            )
            for leave, seen_at in zip(account.leaves, _seen(seen.leaves, now), strict=False)
        ),
        tuple(
            _reward_row(reward, settled.rewards[reward.reward_id], seen_at, positions=positions)
            for reward, seen_at in zip(account.rewards, _seen(seen.rewards, now), strict=False)
        ),
        tuple(
            _Issuance(reward_id, issued_at, seen_at)
            for (reward_id, issued_at), seen_at in zip(account.issued.items(), _seen(seen.issued, now), strict=False)
        ),
    )
    return _ENCODER.encode(stored).decode()


def load_account(text: str, *, customer_id: int, target_id: int) -> StoredAccount:
    """The account in a text of `dump_account`. Raises ValueError for any other text."""
    stored = _DECODER.decode(text)
    if stored.version != _VERSION:
        raise ValueError(f"an account is of version {stored.version}, not {_VERSION}")
    leaves = tuple(map(_leave, stored.leaves))
    account = Account(
        customer_id=customer_id,
        target_id=target_id,
        enrollments=tuple(map(_enrollment, stored.enrollments)),
        leaves=leaves,
        rewards=tuple(map(_reward, stored.rewards)),
        issued={row.reward_id: row.issued_at for row in stored.issued},
    )
    keys = [leave.key for leave in leaves]
    settled = Settled(
        leaves={
            key: SettledLeave(row.outcome, row.first_dropped) for key, row in zip(keys, stored.leaves, strict=True)
        },
        rewards={row.reward_id: _settled_reward(row, keys) for row in stored.rewards},
        revision=stored.revision,
    )
    return StoredAccount(AccountState(account=account, settled=settled), _all_seen(stored))


def _seen(known: Sequence[datetime], now: datetime) -> Iterable[datetime]:
    return chain(known, repeat(now))


def _all_seen(stored: _Account) -> Seen:
    return Seen(
        tuple([row.seen_at for row in stored.enrollments]),
        tuple([row.seen_at for row in stored.leaves]),
        tuple([row.seen_at for row in stored.rewards]),
        tuple([row.seen_at for row in stored.issued]),
    )


def _enrollment_row(fact: Enrollment, seen_at: datetime) -> _Enrollment:
    return _Enrollment(
        *fact.key,
        fact.enrolled_at,
        fact.from_cycle,
        fact.initial_balance,
        fact.reset_streak_status,
        fact.origin,
        seen_at,
    )


def _reward_row(
    fact: Reward, settled: SettledReward, seen_at: datetime, *, positions: Mapping[EventId, int]
) -> _Reward:
    amount, unit = fact.value or (None, None)
    return _Reward(
        fact.reward_id,
        fact.cycle,
        fact.allocation,
        fact.achieved_at,
        fact.level,
        amount,
        unit,
        settled.state,
        settled.rule,
        settled.action,
        settled.revision,
        None if settled.leave is None else positions[settled.leave],
        None if settled.cancelled_by is None else positions[settled.cancelled_by],
        seen_at,
    )


def _enrollment(row: _Enrollment) -> Enrollment:
    return Enrollment(
        key=EventId(row.id, row.source),
        enrolled_at=row.enrolled_at,
        from_cycle=row.from_cycle,
        initial_balance=row.initial_balance,
        reset_streak_status=row.reset_streak_status,
        origin=row.origin,
    )


def _leave(row: _Leave) -> Leave:
    return Leave(
        key=EventId(row.id, row.source),
        effective_at=row.effective_at,
        reason=row.reason,
        requested_by=row.requested_by,
    )


def _reward(row: _Reward) -> Reward:
    value = None if row.amount is None or row.unit is None else Value(row.amount, row.unit)
    return Reward(
        reward_id=row.reward_id,
        cycle=row.cycle,
        allocation=row.allocation,
        achieved_at=row.achieved_at,
        level=row.level,
        value=value,
    )


def _settled_reward(row: _Reward, leaves: Sequence[EventId]) -> SettledReward:
    return SettledReward(
        row.state,
        row.rule,
        row.action,
        row.revision,
        None if row.leave is None else leaves[row.leave],
        None if row.cancelled_by is None else leaves[row.cancelled_by],
    )
