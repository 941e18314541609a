"""Records held against the tables, as a lane would: which were decided before, and what became of the others."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import asyncpg

from unenroll.core.events import EventKey
from unenroll.postgres.erasure import erased_seen
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.ledger import Buried, EventContent, known_dead_letters, known_events, outcomes_of
from unenroll.wire.dead_letters import content_digest
from unenroll.wire.decode import Received
from unenroll.wire.topics import Record
from unenroll.worker.batch import DecodedRecord, identity, is_erased, named
from unenroll.worker.fold import content_of


class RecordFate(Enum):
    """What is to become of a record."""

    DECIDED = "decided before"
    BURIED = "dead-lettered before"
    ERASED = "of a customer who was erased since"
    MISSING = "missing"


class ReplayedEvent(NamedTuple):
    """Who an event is, and what it says."""

    key: EventKey
    content: EventContent


class LedgerRecord(NamedTuple):
    """A record as the tables know it. `event` None: it cannot be read."""

    record: Record
    event: ReplayedEvent | None
    reading: DecodedRecord

    @property
    def buried(self) -> Buried:
        """What its dead letter is known by, if it becomes one."""
        return self.record.topic, content_digest(self.record)


def ledger_records(reading: DecodedRecord) -> LedgerRecord:
    """The record as the tables would know it."""
    told = reading.content
    event = ReplayedEvent(identity(told), content_of(told)) if isinstance(told, Received) else None
    return LedgerRecord(reading.record, event, reading)


async def record_fates(
    pool: asyncpg.Pool, records: Sequence[LedgerRecord], under_way: Mapping[EventKey, EventContent]
) -> list[RecordFate]:
    """What is to become of each. What is `under_way` already counts as decided. Raises OutageError and SetupError."""
    with postgres_errors():
        async with pool.acquire() as connection:
            known = {**under_way, **await known_events(connection, _keys(records))}
            refused = {one.buried for one in records if _refused(one, known)}
            buried = await known_dead_letters(connection, refused) if refused else {}
            erased = await erased_seen(connection, named([one.reading for one in records]))
    return [RecordFate.ERASED if is_erased(one.reading, erased) else _fate(one, known, buried) for one in records]


def _refused(one: LedgerRecord, known: Mapping[EventKey, EventContent]) -> bool:
    """Whether the lane refuses it without a look at definitions: it cannot be read, or contradicts what is known."""
    if one.event is None:
        return True
    before = known.get(one.event.key)
    return before is not None and before.contradicts(one.event.content)


def _fate(one: LedgerRecord, known: Mapping[EventKey, EventContent], buried: Mapping[Buried, str]) -> RecordFate:
    """What was dead-lettered for want of a definition is missing: the lane says what it is by now."""
    if _refused(one, known):
        return RecordFate.BURIED if one.buried in buried else RecordFate.MISSING
    return RecordFate.DECIDED if one.event is not None and one.event.key in known else RecordFate.MISSING


class RecordResult(NamedTuple):
    """What became of a record: the outcome of a request, the type of a fact, or the reason of a dead letter."""

    what: str
    dead: bool


_UNKNOWN = RecordResult("nothing is kept of it", dead=True)


async def record_results(pool: asyncpg.Pool, records: Sequence[LedgerRecord]) -> list[RecordResult]:
    """What the lanes have made of records that they have read. Raises OutageError and SetupError."""
    with postgres_errors():
        async with pool.acquire() as connection:
            decided = await outcomes_of(connection, _keys(records))
            contents = {key: one.content for key, one in decided.items()}
            left = {one.buried for one in records if _fate(one, contents, {}) is RecordFate.MISSING}
            buried = await known_dead_letters(connection, left) if left else {}
    return [
        RecordResult(decided[one.event.key].what, dead=False)
        if one.event is not None and _fate(one, contents, {}) is RecordFate.DECIDED
        else RecordResult(buried[one.buried], dead=True)
        if one.buried in buried
        else _UNKNOWN
        for one in records
    ]


def _keys(records: Sequence[LedgerRecord]) -> list[EventKey]:
    return [one.event.key for one in records if one.event is not None]
