"""A lane opens while its former owner may still run: each decision is published once, in order."""

import gc
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from support.events import utc
from support.topics import consume
from unenroll.errors import LaneLostError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.consumer_group import GroupCoordinator
from unenroll.kafka.topics import make_topics
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.postgres.lanes import LaneKey, LaneRow, PendingBatch, has_read, move_lane, take_lane
from unenroll.postgres.outbox import pack
from unenroll.postgres.pool import transaction
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import StartPosition, WorkerSettings
from unenroll.wire.topics import Message
from unenroll.worker.recovery import LaneRecovery, position_in
from unenroll.worker.transaction import offsets_to_commit

BATCHES = ([b"a", b"b"], [b"c"], [b"d", b"e"])


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A lane of partition 0 of topic `requests`, and its recovery."""

    settings: WorkerSettings
    recovery: LaneRecovery

    def producer(self) -> LaneProducer:
        name = f"{self.settings.topic_prefix}:0"
        return LaneProducer(
            self.settings, transactional_id=name, group_id=self.settings.group_id, batch_bytes=1_000_000
        )

    async def decided(self, pool: asyncpg.Pool) -> list[LaneRow]:
        """The lane after each of the batches. None of them is published."""
        (topic,) = self.recovery.topics.values()
        lane = await take_lane(pool, self.recovery.key)
        lanes = []
        for values in BATCHES:
            first, last = lane.sequence + 1, lane.sequence + len(values)
            lane = replace(lane, sequence=last, positions=(position_in(topic, 0),))
            async with transaction(pool) as connection:
                publication = PendingBatch(first, pack(messages(values)), utc("2026-04-01T00:00:00Z"))
                await move_lane(connection, lane, publication)
            lanes.append(lane)
        return lanes

    async def opened(self) -> LaneRow:
        row = await self.recovery.take()
        async with self.producer() as ours:
            return await self.recovery.open(row, ours)

    def visible(self) -> list[bytes | None]:
        return [one.value for one in consume(self.settings.kafka_bootstrap_servers, self.settings.topic_prefix)]


def messages(values: list[bytes]) -> list[Message]:
    return [Message(topic="rewards", key=b"7", value=value) for value in values]


@pytest.fixture
async def stage(servers: ServerAddresses, pool: asyncpg.Pool, prefix: str) -> AsyncIterator[Stage]:
    settings = WorkerSettings.model_construct(
        kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix, group_id=f"{prefix}group"
    )
    cluster = KafkaAdmin(settings)
    await make_topics(cluster, prefix, partitions=1, replication=1)
    async with GroupCoordinator(settings) as coordinator:
        yield Stage(
            settings=settings,
            recovery=LaneRecovery(
                pool=pool,
                cluster=cluster,
                coordinator=coordinator,
                key=LaneKey(topic_prefix=prefix, group_id=settings.group_id, partition=0),
                topics=await cluster.topics([f"{prefix}requests"]),
                start=StartPosition.EARLIEST,
            ),
        )
    gc.collect()  # so that warnings about a fenced producer come in this test


async def test_decisions_that_were_not_published_are_published_in_order(stage: Stage, pool: asyncpg.Pool) -> None:
    *_, last = await stage.decided(pool)
    lane = await stage.opened()
    assert stage.visible() == [b"a", b"b", b"c", b"d", b"e"]
    assert lane == replace(last, epoch=2, published=last.sequence)


async def test_a_lane_that_is_opened_again_publishes_nothing(stage: Stage, pool: asyncpg.Pool) -> None:
    await stage.decided(pool)
    for _ in range(2):
        await stage.opened()
    assert stage.visible() == [b"a", b"b", b"c", b"d", b"e"]


async def test_a_new_partition_is_new_however_many_lanes_have_seen_it(stage: Stage, pool: asyncpg.Pool) -> None:
    await stage.opened()
    (topic,) = stage.recovery.topics.values()
    grown = replace(stage.recovery, topics={topic.name: replace(topic, partitions=2)})
    row = await grown.take()
    async with stage.producer() as ours:
        await grown.open(row, ours)
    added = replace(stage.recovery.key, partition=1)
    assert await has_read(pool, added, topic.name, topic_id=topic.topic_id)


async def test_decisions_that_the_former_owner_commits_before_it_is_fenced_are_not_published_again(
    stage: Stage, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = await stage.decided(pool)
    start = AIOKafkaProducer.start
    async with stage.producer() as former:

        async def start_at_the_last_moment(starting: AIOKafkaProducer) -> None:
            await former.publish(messages(BATCHES[0]), offsets_to_commit(first))
            await start(starting)

        monkeypatch.setattr(AIOKafkaProducer, "start", start_at_the_last_moment)
        await stage.opened()
    assert stage.visible() == [b"a", b"b", b"c", b"d", b"e"]


async def test_a_worker_that_loses_the_lane_while_it_opens_it_does_not_report_lost_data(
    stage: Stage, pool: asyncpg.Pool
) -> None:
    row = await stage.recovery.take()
    await stage.decided(pool)
    await stage.opened()
    async with stage.producer() as ours:
        with pytest.raises(LaneLostError, match="another worker has taken the lane"):
            await stage.recovery.open(row, ours)
    assert stage.visible() == [b"a", b"b", b"c", b"d", b"e"]
