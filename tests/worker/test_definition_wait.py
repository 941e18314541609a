"""A record waits for a missing definition, once and for a limited time."""

import asyncio
from time import monotonic

import asyncpg
import pytest

from support.events import ABC, enrolled
from support.place import group_of
from unenroll.errors import LaneLostError
from unenroll.postgres.definitions import DefinitionCache, define
from unenroll.wire.ndjson import publish_line
from unenroll.wire.topics import CARRIES, Message, Record, Topic
from unenroll.worker.batch import DecodedRecord, decode_records
from unenroll.worker.definition_wait import DefinitionWait

_LONG = 60.0
_SHORT = 0.5


def definition_wait(pool: asyncpg.Pool, seconds: float) -> DefinitionWait:
    return DefinitionWait(pool, DefinitionCache(), seconds=seconds)


@pytest.fixture
def records() -> tuple[DecodedRecord, ...]:
    """Somebody takes part in milestone ABC."""
    message = publish_line(enrolled(1).replace('"data"', '"time": "2026-01-01T00:00:00Z", "data"').encode())
    assert isinstance(message, Message), message
    record = Record(
        topic=Topic.FACTS, partition=0, offset=0, key=message.key, value=message.value, headers=message.headers
    )
    return decode_records([record], {Topic.FACTS: CARRIES[Topic.FACTS]})


async def test_the_wait_ends_as_soon_as_the_definition_exists(
    pool: asyncpg.Pool, records: tuple[DecodedRecord, ...]
) -> None:
    waits = asyncio.create_task(definition_wait(pool, _LONG).wait(records, asyncio.Event()))
    done, _ = await asyncio.wait([waits], timeout=_SHORT)
    assert not done
    await define(pool, group_of(ABC))
    async with asyncio.timeout(_LONG / 2):
        await waits


async def test_a_definition_that_does_not_come_in_time_is_waited_for_once(
    pool: asyncpg.Pool, records: tuple[DecodedRecord, ...]
) -> None:
    short_wait, began = definition_wait(pool, _SHORT), monotonic()
    await short_wait.wait(records, asyncio.Event())
    waited = monotonic()
    await short_wait.wait(records, asyncio.Event())
    assert waited - began >= _SHORT > monotonic() - waited


async def test_a_lane_that_has_to_stop_does_not_decide_before_the_time_is_over(
    pool: asyncpg.Pool, records: tuple[DecodedRecord, ...]
) -> None:
    long_wait, stopping = definition_wait(pool, _LONG), asyncio.Event()
    waits = asyncio.create_task(long_wait.wait(records, stopping))
    await asyncio.wait([waits], timeout=_SHORT)
    stopping.set()
    with pytest.raises(LaneLostError):
        await waits
    again = asyncio.create_task(long_wait.wait(records, asyncio.Event()))
    done, _ = await asyncio.wait([again], timeout=_SHORT)
    assert not done, "the lane has to wait again"
    await define(pool, group_of(ABC))
    await again
