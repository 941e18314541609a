"""What the lane would decide, request by request: the very fold of the lane, and nothing kept of it."""

import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import msgspec.msgpack

from unenroll.core.events import AccountKey, EventId, EventKey, ExpectedAccount
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import RewardState
from unenroll.ops.plan.lines import KeptReward, PlannedEvent, Prediction, planned_line, predicted_events
from unenroll.postgres.account_codec import dump_account, load_account
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.erasure import Until, is_before
from unenroll.postgres.ledger import EventContent
from unenroll.wire.data_subjects import received_happened
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Topic
from unenroll.worker.batch import GatheredState, Skipped, account_of
from unenroll.worker.fold import AccountFold, RecordedEvent

_MADE = "create table shelf (name blob primary key, content blob not null) without rowid"
_PUT = "insert or replace into shelf values (?, ?)"
_TAKE = "select content from shelf where name = ?"


class SpillStore:
    """Gives back what was last put under a name."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute(_MADE)

    def put(self, name: bytes, content: bytes) -> None:
        """Keep the content under this name, in place of what was there."""
        self._connection.execute(_PUT, (name, content))

    def take(self, name: bytes) -> bytes | None:
        """What is kept under this name, or None."""
        found = self._connection.execute(_TAKE, (name,)).fetchone()
        return None if found is None else found[0]


@contextmanager
def spill_store() -> Iterator[SpillStore]:
    """An empty one, gone when the block ends, or the process."""
    with closing(sqlite3.connect("")) as connection:  # a file that has no name
        yield SpillStore(connection)


class PredictedAccount(NamedTuple):
    """An account as a request of the plan will leave it: `last` is the latest one that leaves a fact."""

    account: KnownAccount
    last: EventId


class _Kept(NamedTuple):
    decisions: int
    facts: str
    last: EventId


_PACK = msgspec.msgpack.Encoder().encode
_KEPT = msgspec.msgpack.Decoder(_Kept)
_CONTENT = msgspec.msgpack.Decoder(EventContent)


@dataclass(frozen=True, slots=True)
class PlannedState:
    """Kept on a shelf: the accounts that are not as the database has them, and the requests of the plan."""

    shelf: SpillStore

    def learn(self, foreseen: PredictedAccount, *, now: datetime) -> None:
        """Keep the account."""
        account, last = foreseen
        kept = _Kept(account.decisions, dump_account(account.state, account.seen, now=now), last)
        self.shelf.put(_PACK(account.key), _PACK(kept))

    def learn_of(self, key: EventKey, content: EventContent) -> None:
        """Keep that this is one of the requests."""
        self.shelf.put(_PACK(key), _PACK(content))

    def accounts(self, keys: Iterable[AccountKey]) -> dict[AccountKey, PredictedAccount]:
        """Those of the accounts that are kept."""
        found = ((key, self.shelf.take(_PACK(key))) for key in set(keys))
        return {key: _foreseen(key, kept) for key, kept in found if kept is not None}

    def known(self, keys: Iterable[EventKey]) -> dict[EventKey, EventContent]:
        """Those of the requests that are kept."""
        found = ((key, self.shelf.take(_PACK(key))) for key in set(keys))
        return {key: _CONTENT.decode(content) for key, content in found if content is not None}


def _foreseen(key: AccountKey, packed: bytes) -> PredictedAccount:
    decisions, facts, last = _KEPT.decode(packed)
    state, seen = load_account(facts, customer_id=key.customer_id, target_id=key.target_id)
    return PredictedAccount(KnownAccount(state=state, decisions=decisions, seen=seen), last)


_ANY_SIZE: Mapping[str, int] = MappingProxyType(
    dict.fromkeys((Topic.UNENROLLMENTS, Topic.REJECTIONS, Topic.REWARDS), sys.maxsize)
)


class PlanEntry(NamedTuple):
    """A request of the plan: its line, what it says there, and what is known of it from now on."""

    line: bytes
    predicted: Prediction
    key: EventKey
    content: EventContent


@dataclass(kw_only=True, slots=True)
class DryRun:
    """A page of requests. `erased` has those of its customers who were.

    `last` has the request of the plan that was the last to leave a fact in an account.
    """

    gathered: GatheredState
    erased: Until
    last: dict[AccountKey, EventId]
    now: datetime
    _fold: AccountFold = field(init=False)
    _moved: set[AccountKey] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin with the accounts as they are."""
        self._fold = AccountFold(gathered=self.gathered, decided_at=self.now, limits=_ANY_SIZE)

    def foresee(self, request: PlannedEvent) -> PlanEntry | Skipped | DeadLetter:
        """What the lane would make of the request behind those before it."""
        event = request.received.event
        if is_before(self.erased, event.customer_id, received_happened(request.received)):
            return Skipped.ERASED
        key = account_of(event)
        expected = ExpectedAccount(self._fold.account(key).decisions, self.last.get(key))
        (fate,) = self._fold.take([request.received])
        if not isinstance(fate, RecordedEvent):
            return fate
        if fate.decision is not None:
            self.last[key] = event.key
            self._moved.add(key)
        predicted = self._predicted(fate, key)
        return PlanEntry(planned_line(request, expected, predicted), predicted, fate.key, fate.content)

    def moved(self) -> Iterator[PredictedAccount]:
        """The accounts that requests of the page leave a fact in."""
        return (PredictedAccount(self._fold.account(key), self.last[key]) for key in self._moved)

    def _predicted(self, kept: RecordedEvent, key: AccountKey) -> Prediction:
        return Prediction(
            outcome=Outcome(str(kept.outcome)),  # a request always has one
            decision=kept.decision,
            kept=() if kept.decision is None else self._rewards_kept(key),
            events=tuple(predicted_events(message) for message in kept.messages),
        )

    def _rewards_kept(self, key: AccountKey) -> tuple[KeptReward, ...]:
        rewards = self._fold.account(key).state.settled.rewards
        return tuple(KeptReward(name, now.rule) for name, now in rewards.items() if now.state is RewardState.KEPT)
