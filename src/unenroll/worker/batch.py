"""A batch: records as they were read, and where the lane stands behind them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum

from unenroll.core.definitions import DefinitionSet
from unenroll.core.events import AccountKey, Event, EventKey, RewardIssued, SettlementDue
from unenroll.postgres.accounts import KnownAccount, lock_accounts
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.erasure import Until, erased_among, is_before
from unenroll.postgres.ledger import EventContent, known_events
from unenroll.postgres.pool import Connection
from unenroll.wire.data_subjects import claimed_time, customers_of, received_happened
from unenroll.wire.decode import Received, decode
from unenroll.wire.reasons import DeadLetter, Reason
from unenroll.wire.topics import Position, Record


class Skipped(Enum):
    """The event leaves no trace: it was decided before, or its customer was erased since it happened."""

    DUPLICATE = "duplicate"
    ERASED = "erased"


Said = Received | DeadLetter | Skipped
"""What a record says, why it cannot be read, or that it is not to be looked at."""


@dataclass(frozen=True, slots=True)
class DecodedRecord:
    """A record and what it says, or why it cannot be read."""

    record: Record
    content: Received | DeadLetter


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Readings in the order they are to be decided, and the lane's positions behind the last of them."""

    readings: tuple[DecodedRecord, ...]
    ends: tuple[Position, ...]

    def halves(self, starts: tuple[Position, ...]) -> tuple["Batch", "Batch"]:
        """The batch, which begins at `starts`, as two smaller ones to be decided one after the other."""
        middle = len(self.readings) // 2
        first, second = self.readings[:middle], self.readings[middle:]
        behind = {reading.record.topic: reading.record.offset + 1 for reading in first}
        between = tuple(replace(start, offset=behind.get(start.topic, start.offset)) for start in starts)
        return Batch(readings=first, ends=between), Batch(readings=second, ends=self.ends)

    def blamed(self, why: str) -> "Batch":
        """The batch with each record a dead letter: the database refuses what it says."""
        dead = DeadLetter(reason=Reason.REFUSED_BY_DATABASE, detail=why)
        return replace(self, readings=tuple(DecodedRecord(reading.record, dead) for reading in self.readings))


def read(records: Iterable[Record], accepts: Mapping[str, frozenset[str]]) -> tuple[DecodedRecord, ...]:
    """What the records say. `accepts` has the event types that belong on each topic."""
    return tuple(DecodedRecord(record, decode(record, accepts[record.topic])) for record in records)


@dataclass(frozen=True, kw_only=True, slots=True)
class GatheredState:
    """All of it, locked until the transaction ends. An account that is not among them was never heard of."""

    definitions: DefinitionSet
    accounts: dict[AccountKey, KnownAccount]
    known: dict[EventKey, EventContent]


async def gather_state(connection: Connection, received: Sequence[Received], cache: DefinitionCache) -> GatheredState:
    """Lock and read what the events concern."""
    events = [reading.event for reading in received]
    definitions = await cache.share(
        connection, group_ids=groups_of(events), target_ids={event.target_id for event in events}
    )
    concerned = {account_of(event) for event in events if event.target_id in definitions.owners}
    accounts = await lock_accounts(connection, concerned)
    known = await known_events(connection, map(identity, received))
    return GatheredState(definitions=definitions, accounts=accounts, known=known)


def account_of(event: Event | SettlementDue) -> AccountKey:
    """The account that an event concerns."""
    return AccountKey(event.customer_id, event.target_id)


def identity(received: Received) -> EventKey:
    """Who an event is: the same customer, source and id are the same event, at whatever offset."""
    return EventKey(received.event.customer_id, received.event_key)


def groups_of(events: Iterable[Event | SettlementDue]) -> set[int]:
    """The groups that the events name."""
    return {event.group_id for event in events if not isinstance(event, RewardIssued)}


_NEVER = datetime.min.replace(tzinfo=UTC)


async def sift(connection: Connection, readings: Sequence[DecodedRecord]) -> list[Said]:
    """What the records say, or that they are let go. Nobody is erased from now on until the transaction ends."""
    until = await erased_among(connection, named(readings))
    if not until:
        return [reading.content for reading in readings]
    return [Skipped.ERASED if is_erased(reading, until) else reading.content for reading in readings]


def named(readings: Sequence[DecodedRecord]) -> set[int]:
    """All customers that the records are about."""
    return {customer_id for reading in readings for customer_id in _customers(reading)}


def is_erased(reading: DecodedRecord, until: Until) -> bool:
    """Whether the record tells of a customer who was erased later. What cannot be read has to say that it is new."""
    content = reading.content
    if isinstance(content, Received):
        return is_before(until, content.event.customer_id, received_happened(content))
    concerned = _customers(reading) & until.keys()
    if not concerned:
        return False
    time = claimed_time(reading.record) or _NEVER
    return any(is_before(until, customer_id, time) for customer_id in concerned)


def _customers(reading: DecodedRecord) -> frozenset[int]:
    content = reading.content
    if isinstance(content, Received):
        return frozenset((content.event.customer_id,))
    return customers_of(reading.record)
