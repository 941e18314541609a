"""A record that names what nobody has defined yet waits for it, once and not longer than it may."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import asyncpg
import pytest

from support.events import ABC, enrolled
from support.place import group_of
from unenroll.errors import LaneLostError
from unenroll.postgres.definitions import DefinitionCache, define
from unenroll.postgres.pool import connected
from unenroll.wire.ndjson import publish_line
from unenroll.wire.topics import CARRIES, Message, Record, Topic
from unenroll.worker.batch import DecodedRecord, read
from unenroll.worker.definition_wait import DefinitionWait

_LONG = 60.0
_SHORT = 0.5


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with connected(database_url) as connections:
        yield connections


def arrival(pool: asyncpg.Pool, seconds: float) -> DefinitionWait:
    return DefinitionWait(pool, DefinitionCache(), seconds=seconds)


@pytest.fixture
def readings() -> tuple[DecodedRecord, ...]:
    """Somebody takes part in milestone ABC."""
    message = publish_line(enrolled(1).replace('"data"', '"time": "2026-01-01T00:00:00Z", "data"').encode())
    assert isinstance(message, Message), message
    record = Record(
        topic=Topic.FACTS, partition=0, offset=0, key=message.key, value=message.value, headers=message.headers
    )
    return read([record], {Topic.FACTS: CARRIES[Topic.FACTS]})


async def test_it_goes_on_as_soon_as_the_definition_is_there(
    pool: asyncpg.Pool, readings: tuple[DecodedRecord, ...]
) -> None:
    waits = asyncio.create_task(arrival(pool, _LONG).wait(readings, asyncio.Event()))
    done, _ = await asyncio.wait([waits], timeout=_SHORT)
    assert not done
    await define(pool, group_of(ABC))
    async with asyncio.timeout(_LONG / 2):
        await waits


async def test_what_does_not_come_in_time_is_waited_for_once(
    pool: asyncpg.Pool, readings: tuple[DecodedRecord, ...]
) -> None:
    impatient, began = arrival(pool, _SHORT), monotonic()
    await impatient.wait(readings, asyncio.Event())
    waited = monotonic()
    await impatient.wait(readings, asyncio.Event())
    assert waited - began >= _SHORT > monotonic() - waited


async def test_a_lane_that_is_to_stop_decides_nothing_before_the_time_is_up(
    pool: asyncpg.Pool, readings: tuple[DecodedRecord, ...]
) -> None:
    patient, stopping = arrival(pool, _LONG), asyncio.Event()
    waits = asyncio.create_task(patient.wait(readings, stopping))
    await asyncio.wait([waits], timeout=_SHORT)
    stopping.set()
    with pytest.raises(LaneLostError):
        await waits
    again = asyncio.create_task(patient.wait(readings, asyncio.Event()))
    done, _ = await asyncio.wait([again], timeout=_SHORT)
    assert not done, "it was not waited for yet"
    await define(pool, group_of(ABC))
    await again
