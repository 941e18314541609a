"""Two who put dead letters back at once: the one that was overtaken can do nothing more, and nothing goes twice."""

import gc
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from support.topics import seen
from unenroll.errors import LaneLostError, OutageError, UnenrollError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import INPUTS, make_topics
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.ops.dlq.transaction import RedriveConfig
from unenroll.postgres.pool import connected
from unenroll.postgres.redrives import LetterKey, LetterState, handled_letters, park
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import WorkerSettings
from unenroll.wire.topics import Record


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with connected(database_url) as connections:
        yield connections


@pytest.fixture
async def desk(servers: ServerAddresses, pool: asyncpg.Pool, prefix: str) -> AsyncIterator[RedriveConfig]:
    settings = WorkerSettings.model_construct(
        kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix, group_id=f"{prefix}group"
    )
    cluster = KafkaAdmin(settings)
    await make_topics(cluster, prefix, partitions=1, replication=1)
    inputs = await cluster.topics([prefix + word for word in INPUTS])
    limits = dict.fromkeys(inputs, 1_000_000)
    yield RedriveConfig(settings=settings, pool=pool, inputs=inputs, limits=limits, by="Ada", even_parked=False)
    gc.collect()  # what a fenced producer leaves is to be complained of here, in the test


def letter(desk: RedriveConfig, name: str) -> dict[LetterKey, Record]:
    topic = f"{desk.settings.topic_prefix}facts"
    record = Record(topic=topic, partition=0, offset=0, key=b"7", value=name.encode())
    return {LetterKey(topic, name.encode()): record}


def put_back(desk: RedriveConfig) -> list[bytes | None]:
    settings = desk.settings
    return [one.value for one in seen(settings.kafka_bootstrap_servers, settings.topic_prefix, ["facts"])]


async def lose_the_lock(pool: asyncpg.Pool) -> None:
    """As when the session of who holds it is ended by the server. It is gone afterward."""
    await pool.execute(
        "select pg_terminate_backend(pid, 10000) from pg_locks where locktype = 'advisory' "
        "and database = (select oid from pg_database where datname = current_database())"
    )


async def test_a_second_one_is_turned_away(desk: RedriveConfig) -> None:
    async with desk.opened() as office:
        with pytest.raises(UnenrollError, match="another redrive"):
            async with desk.opened():
                pass
        assert await office.put_back(letter(desk, "first")) == 1
    assert put_back(desk) == [b"first"]


async def test_who_was_overtaken_notes_nothing_more(desk: RedriveConfig, pool: asyncpg.Pool) -> None:
    async def overtaken() -> None:
        async with desk.opened() as office:
            await office.put_back(letter(desk, "first"))
            await lose_the_lock(pool)
            async with desk.opened() as other:
                assert await other.put_back(letter(desk, "first")) == 0
            await office.put_back(letter(desk, "second"))

    with pytest.raises(LaneLostError, match="took over"):
        await overtaken()
    assert put_back(desk) == [b"first"]
    assert await handled_letters(pool, list(letter(desk, "second")), topic_prefix=desk.settings.topic_prefix) == {}


async def test_who_was_overtaken_amid_its_transaction_commits_it_no_more(
    desk: RedriveConfig, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = LaneProducer.publish_there

    async def overtake_first(*arguments: Any) -> None:  # noqa: ANN401 - whatever the method takes
        monkeypatch.setattr(LaneProducer, "publish_there", publish)
        await lose_the_lock(pool)
        async with desk.opened() as other:
            assert await other.put_back(letter(desk, "first")) == 1
        await publish(*arguments)

    async def overtaken() -> None:
        async with desk.opened() as office:
            await office.put_back(letter(desk, "first"))

    monkeypatch.setattr(LaneProducer, "publish_there", overtake_first)
    with pytest.raises((LaneLostError, OutageError)):
        await overtaken()
    assert put_back(desk) == [b"first"]
    (what,) = (
        await handled_letters(pool, list(letter(desk, "first")), topic_prefix=desk.settings.topic_prefix)
    ).values()
    assert (what.state, what.by) == (LetterState.REDRIVEN, "Ada")


async def test_what_somebody_parks_at_the_last_moment_stays_where_it_is(
    desk: RedriveConfig, pool: asyncpg.Pool
) -> None:
    async with desk.opened() as office:
        await park(pool, list(letter(desk, "first")), by="Ada", why="a test")
        assert await office.put_back({**letter(desk, "first"), **letter(desk, "second")}) == 1
    assert put_back(desk) == [b"second"]
