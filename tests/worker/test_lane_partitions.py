"""A lane waits until the group's coordinator says that it is its worker's."""

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
from unenroll.worker.lane import LanePartitions
from unenroll.worker.lanes import Lanes
from waiting import until


@pytest.fixture
async def intake(servers: ServerAddresses, prefix: str) -> AsyncIterator[LanePartitions]:
    """That of a lane that the group has given to its worker."""
    settings = WorkerSettings.model_construct(
        kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix, group_id=f"{prefix}group"
    )
    await make_topics(KafkaAdmin(settings), prefix, partitions=1, replication=1)
    topics = [f"{prefix}requests", f"{prefix}facts"]
    async with GroupCoordinator(settings) as coordinator, joined_group(settings, "rightful") as consumer:
        lanes = Lanes(consumer, lambda *_: asyncio.create_task(asyncio.sleep(0)), waiting=OutageLog())
        consumer.subscribe(topics, listener=lanes)

        async def assigned() -> bool:
            return bool(consumer.assignment())

        await until(assigned)
        yield LanePartitions(settings=settings, coordinator=coordinator, client_id="rightful", number=0, topics=topics)


async def test_whoever_the_group_has_given_the_lane_to_owns_it(intake: LanePartitions) -> None:
    async with asyncio.timeout(30):
        assert await intake.owned(asyncio.Event())


async def test_a_zombie_whom_the_group_has_forgotten_waits_until_it_is_to_stop(intake: LanePartitions) -> None:
    await intake.owned(asyncio.Event())
    zombie, stopping = replace(intake, client_id="zombie"), asyncio.Event()
    waits = asyncio.create_task(zombie.owned(stopping))
    done, _ = await asyncio.wait([waits], timeout=1)
    assert not done
    stopping.set()
    assert await waits is False
