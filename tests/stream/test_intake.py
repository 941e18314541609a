"""A lane waits until it is its worker's, and until nothing of its former life takes records any more."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from stage.topics import Put, put
from unenroll.sandbox.servers import Servers
from unenroll.settings import WorkerSettings
from unenroll.store.lanes import LaneKey, Position
from unenroll.stream.assignor import NumberAssignor
from unenroll.stream.cluster import Cluster
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.intake import Intake
from unenroll.stream.opening import position_in
from unenroll.stream.polls import Polls
from unenroll.stream.topics import make_topics
from waiting import until


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The intake of a lane that the group has given to its worker."""

    intake: Intake
    place: TopicPartition

    @property
    def start(self) -> list[Position]:
        (topic,) = self.intake.topics.values()
        return [position_in(topic, 0)]

    def put(self, *values: bytes) -> None:
        put(self.intake.settings.kafka_bootstrap_servers, self.place.topic, (Put(value=value) for value in values))


@pytest.fixture
async def stage(servers: Servers, prefix: str) -> AsyncIterator[Stage]:
    settings = WorkerSettings.model_construct(
        kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix, group_id=f"{prefix}group"
    )
    cluster = Cluster(settings)
    await make_topics(cluster, prefix, partitions=1, replication=1)
    client_id = f"worker-{uuid4()}"
    consumer = AIOKafkaConsumer(
        f"{prefix}requests",
        bootstrap_servers=servers.kafka,
        client_id=client_id,
        group_id=settings.group_id,
        partition_assignment_strategy=(NumberAssignor,),
        auto_offset_reset="none",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        async with Coordinator(settings) as coordinator:
            yield Stage(
                place=TopicPartition(f"{prefix}requests", 0),
                intake=Intake(
                    settings=settings,
                    consumer=consumer,
                    polls=Polls(consumer, most_records=100),
                    coordinator=coordinator,
                    client_id=client_id,
                    key=LaneKey(topic_prefix=prefix, group_id=settings.group_id, partition=0),
                    topics=await cluster.topics([f"{prefix}requests"]),
                ),
            )
    finally:
        await consumer.stop()


def polls_under_way() -> list[str]:
    return [str(task) for task in asyncio.all_tasks() if "getmany" in str(task.get_coro())]


async def test_whoever_the_group_has_given_the_lane_to_owns_it(stage: Stage) -> None:
    async with asyncio.timeout(30):
        assert await stage.intake.owned(asyncio.Event())


async def test_a_zombie_whom_the_group_has_forgotten_waits_until_it_is_to_stop(stage: Stage) -> None:
    await stage.intake.owned(asyncio.Event())
    zombie, stopping = replace(stage.intake, client_id="zombie"), asyncio.Event()
    waits = asyncio.create_task(zombie.owned(stopping))
    done, _ = await asyncio.wait([waits], timeout=1)
    assert not done
    stopping.set()
    assert await waits is False


async def test_a_lane_is_not_ours_before_the_polls_of_its_former_life_have_ended(stage: Stage) -> None:
    await stage.intake.owned(asyncio.Event())
    stage.intake.read_from(stage.start)
    stopping = asyncio.Event()
    stopping.set()
    assert await stage.intake.take(stage.start, stopping) is None
    assert polls_under_way()
    assert await stage.intake.owned(asyncio.Event())
    assert not polls_under_way()


async def test_records_are_read_from_where_the_lane_begins_and_again_after_a_strike(stage: Stage) -> None:
    stage.put(b"a", b"b")
    await stage.intake.owned(asyncio.Event())
    for _ in range(2):
        stage.intake.read_from(stage.start)
        taken: list[bytes | None] = []

        async def all_taken(taken: list[bytes | None] = taken) -> bool:
            found = await stage.intake.take(stage.start, asyncio.Event())
            assert found is not None
            taken.extend(record.value for record in found.records)
            return len(taken) >= 2

        await until(all_taken)
        assert taken == [b"a", b"b"]
