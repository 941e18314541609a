"""Two redrives at once: the second fences the first, and each letter goes back once."""

import gc
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from support.topics import consume
from unenroll.errors import LaneLostError, OutageError, UnenrollError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import INPUTS, make_topics
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.ops.dlq.transaction import RedriveConfig
from unenroll.postgres.ledger import LetterKey
from unenroll.postgres.redrives import LetterState, handled_letters, save_parked
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import WorkerSettings
from unenroll.wire.topics import Record


@pytest.fixture
async def config(servers: ServerAddresses, pool: asyncpg.Pool, prefix: str) -> AsyncIterator[RedriveConfig]:
    settings = WorkerSettings.model_construct(
        kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix, group_id=f"{prefix}group"
    )
    cluster = KafkaAdmin(settings)
    await make_topics(cluster, prefix, partitions=1, replication=1)
    inputs = await cluster.topics([prefix + word for word in INPUTS])
    limits = dict.fromkeys(inputs, 1_000_000)
    yield RedriveConfig(settings=settings, pool=pool, inputs=inputs, limits=limits, by="Ada", include_parked=False)
    gc.collect()  # warnings about a fenced producer belong to this test


def letter(config: RedriveConfig, name: str) -> dict[LetterKey, Record]:
    topic = f"{config.settings.topic_prefix}facts"
    record = Record(topic=topic, partition=0, offset=0, key=b"7", value=name.encode())
    return {LetterKey(topic, name.encode()): record}


def put_back(config: RedriveConfig) -> list[bytes | None]:
    settings = config.settings
    return [one.value for one in consume(settings.kafka_bootstrap_servers, settings.topic_prefix, ["facts"])]


async def lose_the_lock(pool: asyncpg.Pool) -> None:
    """End the Postgres session that holds the redrive's lock, as a failover does."""
    await pool.execute(
        "select pg_terminate_backend(pid, 10000) from pg_locks where locktype = 'advisory' "
        "and database = (select oid from pg_database where datname = current_database())"
    )


async def test_a_second_redrive_is_refused(config: RedriveConfig) -> None:
    async with config.session() as session:
        with pytest.raises(UnenrollError, match="another redrive"):
            async with config.session():
                pass
        assert await session.put_back(letter(config, "first")) == 1
    assert put_back(config) == [b"first"]


async def test_a_fenced_redrive_notes_nothing_more(config: RedriveConfig, pool: asyncpg.Pool) -> None:
    async def fenced() -> None:
        async with config.session() as session:
            await session.put_back(letter(config, "first"))
            await lose_the_lock(pool)
            async with config.session() as other:
                assert await other.put_back(letter(config, "first")) == 0
            await session.put_back(letter(config, "second"))

    with pytest.raises(LaneLostError, match="has taken over"):
        await fenced()
    assert put_back(config) == [b"first"]
    assert await handled_letters(pool, list(letter(config, "second")), topic_prefix=config.settings.topic_prefix) == {}


async def test_a_redrive_that_is_fenced_in_its_transaction_does_not_commit_it(
    config: RedriveConfig, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = LaneProducer.publish_to_partitions

    async def fence_first(*arguments: Any) -> None:  # noqa: ANN401 - whatever the method takes
        monkeypatch.setattr(LaneProducer, "publish_to_partitions", publish)
        await lose_the_lock(pool)
        async with config.session() as other:
            assert await other.put_back(letter(config, "first")) == 1
        await publish(*arguments)

    async def fenced() -> None:
        async with config.session() as session:
            await session.put_back(letter(config, "first"))

    monkeypatch.setattr(LaneProducer, "publish_to_partitions", fence_first)
    with pytest.raises((LaneLostError, OutageError)):
        await fenced()
    assert put_back(config) == [b"first"]
    handled = await handled_letters(pool, list(letter(config, "first")), topic_prefix=config.settings.topic_prefix)
    (one,) = handled.values()
    assert (one.state, one.by) == (LetterState.REDRIVEN, "Ada")


async def test_a_letter_that_is_parked_at_the_last_moment_is_not_put_back(
    config: RedriveConfig, pool: asyncpg.Pool
) -> None:
    async with config.session() as session:
        await save_parked(pool, list(letter(config, "first")), by="Ada", why="a test")
        assert await session.put_back({**letter(config, "first"), **letter(config, "second")}) == 1
    assert put_back(config) == [b"second"]
