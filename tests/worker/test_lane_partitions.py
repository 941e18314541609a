"""A lane waits until the group coordinator says that its worker owns the partitions."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.consumer_group import GroupCoordinator, joined_group
from unenroll.kafka.topics import make_topics
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import WorkerSettings
from unenroll.worker.backoff import OutageLog
from unenroll.worker.lanes import LanePartitions, Lanes
from waiting import until


@pytest.fixture
async def partitions(servers: ServerAddresses, prefix: str) -> AsyncIterator[LanePartitions]:
    """The partitions of a lane that the group has assigned."""
    settings = WorkerSettings.model_construct(
        kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix, group_id=f"{prefix}group"
    )
    await make_topics(KafkaAdmin(settings), prefix, partitions=1, replication=1)
    topics = [f"{prefix}requests", f"{prefix}facts"]
    async with GroupCoordinator(settings) as coordinator, joined_group(settings, "owner") as consumer:
        lanes = Lanes(consumer, lambda *_: asyncio.create_task(asyncio.sleep(0)), outages=OutageLog())
        consumer.subscribe(topics, listener=lanes)

        async def assigned() -> bool:
            return bool(consumer.assignment())

        await until(assigned)
        yield LanePartitions(settings=settings, coordinator=coordinator, client_id="owner", number=0, topics=topics)


async def test_the_worker_that_the_group_has_assigned_the_lane_to_owns_it(partitions: LanePartitions) -> None:
    async with asyncio.timeout(30):
        assert await partitions.wait_for_ownership(asyncio.Event())


async def test_a_worker_that_the_group_has_removed_waits_until_it_has_to_stop(partitions: LanePartitions) -> None:
    await partitions.wait_for_ownership(asyncio.Event())
    removed, stopping = replace(partitions, client_id="removed"), asyncio.Event()
    waits = asyncio.create_task(removed.wait_for_ownership(stopping))
    done, _ = await asyncio.wait([waits], timeout=1)
    assert not done
    stopping.set()
    assert await waits is False
