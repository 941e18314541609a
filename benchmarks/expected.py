"""What the core says that comes of the requests. Whatever a variant publishes and keeps is held against it."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b

from benchmarks.workload import GROUP_ID, TARGET_ID, Workload
from unenroll.core.decide import AccountState, Decision, decide
from unenroll.core.definitions import DefinitionSet, TargetGroup
from unenroll.core.events import Event, UnenrollRequested
from unenroll.wire.decode import ReceivedEvent, decode
from unenroll.wire.encode import DecisionContext, encode
from unenroll.wire.ndjson import LoadedFact, load_line
from unenroll.wire.topics import CARRIES, Message, Record, Topic

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_FOLDED_ID = "ce_id"


@dataclass(kw_only=True, slots=True)
class Fingerprint:
    """A collection of published events in no order: how many of each topic, and a sum over all that they say.

    The time of the decision is left out: it differs from run to run.
    """

    counts: Counter[str] = field(default_factory=Counter)
    total: int = 0

    def add(self, word: str, *, event_id: bytes, key: bytes, value: bytes) -> None:
        """Take one more event in."""
        digest = blake2b(b"\0".join((word.encode(), event_id, key, value)), digest_size=16).digest()
        self.counts[word] += 1
        self.total = (self.total + int.from_bytes(digest)) % 2**128

    def add_message(self, message: Message) -> None:
        """Take one more event in."""
        event_id = dict(message.headers)[_FOLDED_ID] or b""
        self.add(message.topic, event_id=event_id, key=message.key or b"", value=message.value or b"")


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What is published of all requests together, with those of the warm-up, and how many got which outcome."""

    published: Fingerprint
    outcomes: Counter[str]

    @property
    def answers(self) -> int:
        """How many answers there are: one to each request."""
        return self.outcomes.total()


def expected(workload: Workload) -> Expected:
    """All requests of the workload decided by the core, one by one."""
    found = Expected(published=Fingerprint(), outcomes=Counter())
    for requests in (workload.warm_up(1), workload.measured(1)):
        for _, message in requests:
            decided = answered(workload, message)
            found.outcomes[str(decided.outcome)] += 1
            for told in told_of(workload, request_of(message), decided):
                found.published.add_message(told)
    return found


def answered(workload: Workload, message: Message) -> Decision:
    """The core's answer to the request."""
    request = request_of(message)
    decided = decide(request, definitions(workload), opening_state(workload, request.customer_id))
    if not isinstance(decided, Decision):
        raise SystemExit(f"the core refuses a request of the benchmark: {decided}")
    return decided


def told_of(workload: Workload, request: UnenrollRequested, decided: Decision) -> Iterable[Message]:
    """What is published of the answer."""
    context = DecisionContext(
        customer_id=request.customer_id,
        group_id=GROUP_ID,
        target_id=TARGET_ID,
        cause=request.key,
        decided_at=_ANY_TIME,
        calendar=group(workload).calendar,
    )
    return [encode(change, context) for change in decided.changes]


def request_of(message: Message) -> UnenrollRequested:
    """The request that the message carries."""
    record = Record(
        topic=message.topic, partition=0, offset=0, key=message.key, value=message.value, headers=message.headers
    )
    received = decode(record, CARRIES[Topic.REQUESTS])
    if not isinstance(received, ReceivedEvent) or not isinstance(received.event, UnenrollRequested):
        raise SystemExit(f"a request of the benchmark cannot be read: {received}")
    return received.event


@cache
def group(workload: Workload) -> TargetGroup:
    """The workload's only group."""
    found = load_line(json.dumps(workload.definition()).encode())
    if not isinstance(found, TargetGroup):
        raise SystemExit(f"the definition of the benchmark cannot be read: {found}")
    return found


@cache
def definitions(workload: Workload) -> DefinitionSet:
    """The workload's only group, as the core takes it."""
    return DefinitionSet(groups={GROUP_ID: group(workload)}, owners={TARGET_ID: GROUP_ID})


def opening_state(workload: Workload, customer: int) -> AccountState:
    """The account before its request."""
    first = _first_state(workload)
    return first._replace(account=first.account._replace(customer_id=customer))


@cache
def _first_state(workload: Workload) -> AccountState:
    state = None
    for event in fact_events(workload):
        decided = decide(event, definitions(workload), state)
        if not isinstance(decided, Decision):
            raise SystemExit(f"the core refuses a fact of the benchmark: {decided}")
        state = decided.state
    if state is None:
        raise SystemExit("an account of the benchmark has no facts")
    return state


def fact_events(workload: Workload) -> Iterable[Event]:
    """The facts of the first customer."""
    for line in workload.facts(1):
        found = load_line(json.dumps(line).encode())
        if not isinstance(found, LoadedFact):
            raise SystemExit(f"a fact of the benchmark cannot be read: {found}")
        yield found.event
