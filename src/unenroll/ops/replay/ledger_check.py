"""Compare records with the ledger and the dead letters, as a lane would."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import asyncpg

from unenroll.core.events import EventKey
from unenroll.postgres.erasure import read_erasures
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.ledger import EventContent, LetterKey, known_dead_letters, known_events, ledger_outcomes
from unenroll.wire.dead_letters import content_digest
from unenroll.wire.decode import ReceivedEvent
from unenroll.wire.topics import Record
from unenroll.worker.batch import DecodedRecord, customers_in, identity, is_erased
from unenroll.worker.fold import content_of


class RecordStatus(Enum):
    """What is known of a record before the replay sends it. Only MISSING records are sent."""

    DECIDED = "decided before"
    DEAD_LETTERED = "dead-lettered before"
    ERASED = "of a customer who was erased since"
    MISSING = "missing"


class ReplayedEvent(NamedTuple):
    """An event's key and content."""

    key: EventKey
    content: EventContent


class LedgerRecord(NamedTuple):
    """A record and its event; `event` is None if the record cannot be read."""

    record: Record
    event: ReplayedEvent | None
    decoded: DecodedRecord

    @property
    def dead_letter_key(self) -> LetterKey:
        """The key of the record's dead letter, if it becomes one."""
        return LetterKey(self.record.topic, content_digest(self.record))


def ledger_record(decoded: DecodedRecord) -> LedgerRecord:
    """Return the record with its event, as the ledger would have it."""
    content = decoded.content
    event = ReplayedEvent(identity(content), content_of(content)) if isinstance(content, ReceivedEvent) else None
    return LedgerRecord(decoded.record, event, decoded)


async def record_statuses(
    pool: asyncpg.Pool, records: Sequence[LedgerRecord], in_flight: Mapping[EventKey, EventContent]
) -> list[RecordStatus]:
    """Return the status of each record. Events in flight count as decided. Raises OutageError and SetupError."""
    with postgres_errors():
        async with pool.acquire() as connection:
            contents = {**in_flight, **await known_events(connection, _event_keys(records))}
            invalid = {one.dead_letter_key for one in records if _is_invalid(one, contents)}
            dead_letters = await known_dead_letters(connection, invalid) if invalid else {}
            erased_until = await read_erasures(connection, customers_in([one.decoded for one in records]))
    return [
        RecordStatus.ERASED if is_erased(one.decoded, erased_until) else _status(one, contents, dead_letters)
        for one in records
    ]


def _is_invalid(one: LedgerRecord, contents: Mapping[EventKey, EventContent]) -> bool:
    """Whether a lane dead-letters the record whatever is defined: it is unreadable or contradicts the ledger."""
    if one.event is None:
        return True
    content = contents.get(one.event.key)
    return content is not None and content.contradicts(one.event.content)


def _status(
    one: LedgerRecord, contents: Mapping[EventKey, EventContent], dead_letters: Mapping[LetterKey, str]
) -> RecordStatus:
    """Return the status. A record that was dead-lettered for lack of a definition is missing: it may be valid now."""
    if _is_invalid(one, contents):
        return RecordStatus.DEAD_LETTERED if one.dead_letter_key in dead_letters else RecordStatus.MISSING
    return RecordStatus.DECIDED if one.event is not None and one.event.key in contents else RecordStatus.MISSING


class RecordResult(NamedTuple):
    """What a lane made of a record: the outcome of a request, the type of a fact, or the reason of a dead letter."""

    outcome: str
    is_dead_letter: bool


_UNKNOWN = RecordResult("neither in the ledger nor a dead letter", is_dead_letter=True)


async def record_results(pool: asyncpg.Pool, records: Sequence[LedgerRecord]) -> list[RecordResult]:
    """Return what the lanes made of records that they have read. Raises OutageError and SetupError."""
    with postgres_errors():
        async with pool.acquire() as connection:
            decided = await ledger_outcomes(connection, _event_keys(records))
            contents = {key: one.content for key, one in decided.items()}
            undecided = {one.dead_letter_key for one in records if not _is_decided(one, contents)}
            dead_letters = await known_dead_letters(connection, undecided) if undecided else {}
    return [
        RecordResult(decided[one.event.key].outcome_or_type, is_dead_letter=False)
        if one.event is not None and _is_decided(one, contents)
        else RecordResult(dead_letters[one.dead_letter_key], is_dead_letter=True)
        if one.dead_letter_key in dead_letters
        else _UNKNOWN
        for one in records
    ]


def _is_decided(one: LedgerRecord, contents: Mapping[EventKey, EventContent]) -> bool:
    return _status(one, contents, {}) is RecordStatus.DECIDED


def _event_keys(records: Sequence[LedgerRecord]) -> list[EventKey]:
    return [one.event.key for one in records if one.event is not None]
