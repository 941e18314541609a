"""Predict the decisions of requests with the same code as a lane, on accounts in memory and in a temporary file."""

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
from unenroll.core.facts import MAX_FACTS
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import RewardState
from unenroll.ops.plan.lines import KeptReward, ParsedRequest, Prediction, planned_line, predicted_event
from unenroll.postgres.account_codec import dump_account, load_account
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.erasure import ErasedUntil, erasure_covers
from unenroll.postgres.ledger import EventContent
from unenroll.wire.data_subjects import happened_at
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Topic
from unenroll.worker.batch import GatheredState, Skipped, account_of
from unenroll.worker.fold import AccountFold, RecordedEvent

_CREATE = "create table entries (name blob primary key, content blob not null) without rowid"
_PUT = "insert or replace into entries values (?, ?)"
_GET = "select content from entries where name = ?"


class SpillStore:
    """A map from bytes to bytes in a temporary file, so that a large plan needs little memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute(_CREATE)

    def put(self, name: bytes, content: bytes) -> None:
        """Store the content under this name, in place of an earlier one."""
        self._connection.execute(_PUT, (name, content))

    def get(self, name: bytes) -> bytes | None:
        """The content under this name, or None."""
        row = self._connection.execute(_GET, (name,)).fetchone()
        return None if row is None else row[0]


@contextmanager
def spill_store() -> Iterator[SpillStore]:
    """An empty store. Its file is deleted when the block or the process ends."""
    with closing(sqlite3.connect("")) as connection:  # an empty name means a temporary file
        yield SpillStore(connection)


class PredictedAccount(NamedTuple):
    """An account after the requests of the plan so far. `last_request` is the last one that added a fact."""

    account: KnownAccount
    last_request: EventId


class _StoredAccount(NamedTuple):
    decisions: int
    facts: str
    last_request: EventId


_PACK = msgspec.msgpack.Encoder().encode
_ACCOUNT = msgspec.msgpack.Decoder(_StoredAccount)
_CONTENT = msgspec.msgpack.Decoder(EventContent)


@dataclass(frozen=True, slots=True)
class PlannedState:
    """The requests of the plan so far, and the accounts that they change."""

    store: SpillStore

    def save_account(self, predicted: PredictedAccount, *, now: datetime) -> None:
        """Store the account."""
        account, last_request = predicted
        facts = dump_account(account.state, account.first_seen, now=now)
        self.store.put(_PACK(account.key), _PACK(_StoredAccount(account.decisions, facts, last_request)))

    def save_request(self, key: EventKey, content: EventContent) -> None:
        """Store the request."""
        self.store.put(_PACK(key), _PACK(content))

    def accounts(self, keys: Iterable[AccountKey]) -> dict[AccountKey, PredictedAccount]:
        """Those of the accounts that the plan changes."""
        stored = ((key, self.store.get(_PACK(key))) for key in set(keys))
        return {key: _load_account(key, packed) for key, packed in stored if packed is not None}

    def requests(self, keys: Iterable[EventKey]) -> dict[EventKey, EventContent]:
        """Those of the requests that the plan has already."""
        stored = ((key, self.store.get(_PACK(key))) for key in set(keys))
        return {key: _CONTENT.decode(packed) for key, packed in stored if packed is not None}


def _load_account(key: AccountKey, packed: bytes) -> PredictedAccount:
    decisions, facts, last_request = _ACCOUNT.decode(packed)
    state, seen = load_account(facts, customer_id=key.customer_id, target_id=key.target_id)
    return PredictedAccount(KnownAccount(state=state, decisions=decisions, first_seen=seen), last_request)


_NO_LIMITS: Mapping[str, int] = MappingProxyType(
    dict.fromkeys((Topic.UNENROLLMENTS, Topic.REJECTIONS, Topic.REWARDS), sys.maxsize)
)


class PlanEntry(NamedTuple):
    """A request of the plan: its line, its prediction, and its key and content."""

    line: bytes
    predicted: Prediction
    key: EventKey
    content: EventContent


@dataclass(kw_only=True, slots=True)
class DryRun:
    """Predicts the decisions of a page of requests, one on top of the other.

    `erased` has the erased customers of the page. `last_requests` has, by account, the last request of the plan that
    adds a fact to it.
    """

    gathered: GatheredState
    erased: ErasedUntil
    last_requests: dict[AccountKey, EventId]
    now: datetime
    max_facts: int = MAX_FACTS
    _fold: AccountFold = field(init=False)
    _changed: set[AccountKey] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Start with the accounts as gathered."""
        self._fold = AccountFold(
            gathered=self.gathered, decided_at=self.now, limits=_NO_LIMITS, max_facts=self.max_facts
        )

    def predict(self, request: ParsedRequest) -> PlanEntry | Skipped | DeadLetter:
        """What a lane would decide about the request, after the requests before it."""
        event = request.received.event
        if erasure_covers(self.erased, event.customer_id, happened_at(request.received.event, request.received.time)):
            return Skipped.ERASED
        key = account_of(event)
        expected = ExpectedAccount(self._fold.account(key).decisions, self.last_requests.get(key))
        (result,) = self._fold.decide_all([request.received])
        if not isinstance(result, RecordedEvent):
            return result
        if result.decision is not None:
            self.last_requests[key] = event.key
            self._changed.add(key)
        predicted = self._prediction(result, key)
        return PlanEntry(planned_line(request, expected, predicted), predicted, result.key, result.content)

    def changed_accounts(self) -> Iterator[PredictedAccount]:
        """The accounts to which requests of the page add facts."""
        return (PredictedAccount(self._fold.account(key), self.last_requests[key]) for key in self._changed)

    def _prediction(self, recorded: RecordedEvent, key: AccountKey) -> Prediction:
        return Prediction(
            outcome=Outcome(str(recorded.outcome)),  # a request always has an outcome
            decision=recorded.decision,
            kept=() if recorded.decision is None else self._kept_rewards(key),
            events=tuple(predicted_event(message) for message in recorded.messages),
        )

    def _kept_rewards(self, key: AccountKey) -> tuple[KeptReward, ...]:
        rewards = self._fold.account(key).state.settled.rewards
        return tuple(
            KeptReward(reward_id, reward.rule)
            for reward_id, reward in rewards.items()
            if reward.state is RewardState.KEPT
        )
