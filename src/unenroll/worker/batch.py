"""A batch of records: decodes them, and reads from Postgres what is needed to decide them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from msgspec import Struct

from unenroll.core.definitions import DefinitionSet
from unenroll.core.events import AccountKey, Event, EventKey, RewardIssued, SettlementDue
from unenroll.core.reasons import Reason
from unenroll.postgres.accounts import KnownAccount, lock_accounts
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.erasure import ErasedUntil, erasure_covers, lock_erasures
from unenroll.postgres.ledger import EventContent, known_events
from unenroll.postgres.pool import Connection
from unenroll.wire.data_subjects import BEGINNING_OF_TIME, claimed_time, customers_of, happened_at
from unenroll.wire.decode import ReceivedEvent, decode
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Position, Record


class DecodedRecord(Struct, frozen=True, gc=False):
    """A record and its event, or the reason why it cannot be decoded."""

    record: Record
    content: ReceivedEvent | DeadLetter


def decode_records(records: Iterable[Record], accepts: Mapping[str, frozenset[str]]) -> tuple[DecodedRecord, ...]:
    """Decode the records. `accepts` has the event types of each topic."""
    return tuple(DecodedRecord(record, decode(record, accepts[record.topic])) for record in records)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Records in the order in which they are decided, and the lane's positions after the last of them."""

    records: tuple[DecodedRecord, ...]
    ends: tuple[Position, ...]

    def first(self, count: int, starts: tuple[Position, ...]) -> "Batch":
        """The first records of the batch, which begins at `starts`."""
        if count >= len(self.records):
            return self
        first = self.records[:count]
        ends = {decoded.record.topic: decoded.record.offset + 1 for decoded in first}
        positions = tuple(replace(start, offset=ends.get(start.topic, start.offset)) for start in starts)
        return Batch(records=first, ends=positions)

    def after(self, count: int) -> "Batch":
        """The batch without its first records."""
        return Batch(records=self.records[count:], ends=self.ends)


def refused_record(decoded: DecodedRecord, detail: str) -> DecodedRecord:
    """The record as a dead letter, because Postgres refuses its content."""
    return DecodedRecord(decoded.record, DeadLetter(reason=Reason.REFUSED_BY_DATABASE, detail=detail))


class Skipped(Enum):
    """Why a record has no effect: its event was decided before, or its customer was erased after the event."""

    DUPLICATE = "duplicate"
    ERASED = "erased"


RecordContent = ReceivedEvent | DeadLetter | Skipped
"""The event of a record, the reason why it cannot be decoded, or the reason to skip it."""


async def skip_erased(connection: Connection, records: Sequence[DecodedRecord]) -> list[RecordContent]:
    """The content of each record; `Skipped.ERASED` for events before the erasure of their customer.

    Blocks erasures of these customers until the transaction ends.
    """
    until = await lock_erasures(connection, customers_in(records))
    if not until:
        return [decoded.content for decoded in records]
    return [Skipped.ERASED if is_erased(decoded, until) else decoded.content for decoded in records]


def customers_in(records: Sequence[DecodedRecord]) -> set[int]:
    """The ids of all customers that the records name."""
    return {customer_id for decoded in records for customer_id in _customers(decoded)}


def is_erased(decoded: DecodedRecord, until: ErasedUntil) -> bool:
    """Whether a customer of the record was erased after the record's event.

    A record that cannot be decoded is older than the erasure unless its own time says otherwise.
    """
    content = decoded.content
    if isinstance(content, ReceivedEvent):
        return erasure_covers(until, content.event.customer_id, happened_at(content.event, content.time))
    erased = _customers(decoded) & until.keys()
    if not erased:
        return False
    time = claimed_time(decoded.record) or BEGINNING_OF_TIME
    return any(erasure_covers(until, customer_id, time) for customer_id in erased)


def _customers(decoded: DecodedRecord) -> frozenset[int]:
    content = decoded.content
    if isinstance(content, ReceivedEvent):
        return frozenset((content.event.customer_id,))
    return customers_of(decoded.record)


@dataclass(frozen=True, kw_only=True, slots=True)
class GatheredState:
    """What Postgres has about the events of a batch, locked until the transaction ends.

    `accounts` has the accounts that exist, `unread` the keys of those that are left to the next batch, because the
    accounts before them are large. `ledger` has the events that were decided before.
    """

    definitions: DefinitionSet
    accounts: dict[AccountKey, KnownAccount]
    ledger: dict[EventKey, EventContent]
    unread: frozenset[AccountKey] = frozenset()


async def gather_state(
    connection: Connection, received: Sequence[ReceivedEvent], cache: DefinitionCache
) -> GatheredState:
    """Lock and read the definitions, accounts and ledger rows that the events name."""
    events = [one.event for one in received]
    definitions = await cache.lock(
        connection, group_ids=group_ids_of(events), target_ids={event.target_id for event in events}
    )
    account_keys = [account_of(event) for event in events if event.target_id in definitions.owners]
    accounts, unread = await lock_accounts(connection, account_keys)
    ledger = await known_events(connection, map(identity, received))
    return GatheredState(definitions=definitions, accounts=accounts, ledger=ledger, unread=unread)


def account_of(event: Event | SettlementDue) -> AccountKey:
    """The account that the event changes."""
    return AccountKey(event.customer_id, event.target_id)


def identity(received: ReceivedEvent) -> EventKey:
    """The identity of the event: the same customer, source and id are the same event, at any offset."""
    return EventKey(received.event.customer_id, received.event_key)


def group_ids_of(events: Iterable[Event | SettlementDue]) -> set[int]:
    """The ids of the groups that the events name."""
    return {event.group_id for event in events if not isinstance(event, RewardIssued)}
