"""Records held against the tables, as a lane would: which were decided before, and what became of the others."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import asyncpg

from unenroll.core.events import EventKey
from unenroll.postgres.erasure import erased_seen
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.ledger import Buried, Content, known_dead_letters, known_events, outcomes_of
from unenroll.wire.dead_letters import content_digest
from unenroll.wire.decode import Received
from unenroll.wire.topics import Record
from unenroll.worker.batch import Reading, identity, is_erased, named
from unenroll.worker.fold import content_of


class Fate(Enum):
    """What is to become of a record."""

    DECIDED = "decided before"
    BURIED = "dead-lettered before"
    ERASED = "of a customer who was erased since"
    MISSING = "missing"


class Event(NamedTuple):
    """Who an event is, and what it says."""

    key: EventKey
    content: Content


class Held(NamedTuple):
    """A record as the tables know it. `event` None: it cannot be read."""

    record: Record
    event: Event | None
    reading: Reading

    @property
    def buried(self) -> Buried:
        """What its dead letter is known by, if it becomes one."""
        return self.record.topic, content_digest(self.record)


def held(reading: Reading) -> Held:
    """The record as the tables would know it."""
    told = reading.content
    event = Event(identity(told), content_of(told)) if isinstance(told, Received) else None
    return Held(reading.record, event, reading)


async def fates(pool: asyncpg.Pool, records: Sequence[Held], under_way: Mapping[EventKey, Content]) -> list[Fate]:
    """What is to become of each. What is `under_way` already counts as decided. Raises OutageError and SetupError."""
    with postgres_errors():
        async with pool.acquire() as connection:
            known = {**under_way, **await known_events(connection, _keys(records))}
            refused = {one.buried for one in records if _refused(one, known)}
            buried = await known_dead_letters(connection, refused) if refused else {}
            erased = await erased_seen(connection, named([one.reading for one in records]))
    return [Fate.ERASED if is_erased(one.reading, erased) else _fate(one, known, buried) for one in records]


def _refused(one: Held, known: Mapping[EventKey, Content]) -> bool:
    """Whether the lane refuses it without a look at definitions: it cannot be read, or contradicts what is known."""
    if one.event is None:
        return True
    before = known.get(one.event.key)
    return before is not None and before.contradicts(one.event.content)


def _fate(one: Held, known: Mapping[EventKey, Content], buried: Mapping[Buried, str]) -> Fate:
    """What was dead-lettered for want of a definition is missing: the lane says what it is by now."""
    if _refused(one, known):
        return Fate.BURIED if one.buried in buried else Fate.MISSING
    return Fate.DECIDED if one.event is not None and one.event.key in known else Fate.MISSING


class Became(NamedTuple):
    """What became of a record: the outcome of a request, the type of a fact, or the reason of a dead letter."""

    what: str
    dead: bool


_UNKNOWN = Became("nothing is kept of it", dead=True)


async def became(pool: asyncpg.Pool, records: Sequence[Held]) -> list[Became]:
    """What the lanes have made of records that they have read. Raises OutageError and SetupError."""
    with postgres_errors():
        async with pool.acquire() as connection:
            decided = await outcomes_of(connection, _keys(records))
            contents = {key: one.content for key, one in decided.items()}
            left = {one.buried for one in records if _fate(one, contents, {}) is Fate.MISSING}
            buried = await known_dead_letters(connection, left) if left else {}
    return [
        Became(decided[one.event.key].what, dead=False)
        if one.event is not None and _fate(one, contents, {}) is Fate.DECIDED
        else Became(buried[one.buried], dead=True)
        if one.buried in buried
        else _UNKNOWN
        for one in records
    ]


def _keys(records: Sequence[Held]) -> list[EventKey]:
    return [one.event.key for one in records if one.event is not None]
