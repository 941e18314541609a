"""A lane waits until it is its worker's, and until nothing of its former life takes records any more."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher

from stage.topics import Put, put, put_with_odd_headers
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
    requests: str
    facts: str

    @property
    def start(self) -> list[Position]:
        return [position_in(topic, 0) for topic in self.intake.topics.values()]

    def put(self, topic: str, *values: bytes) -> None:
        put(self.intake.settings.kafka_bootstrap_servers, topic, (Put(value=value) for value in values))

    async def put_odd(self, topic: str, *values: bytes) -> None:
        kafka = self.intake.settings.kafka_bootstrap_servers
        await put_with_odd_headers(kafka, topic, values, odd=b"odd", partition=0)

    async def take(self, count: int) -> dict[str, list[bytes | None]]:
        """The values of so many records by topic, each batch read from where the one before it ended."""
        taken: dict[str, list[bytes | None]] = {self.requests: [], self.facts: []}
        behind = [self.start]

        async def all_taken() -> bool:
            found = await self.intake.take(behind[-1], asyncio.Event())
            assert found is not None
            behind.append(list(found.ends))
            for record in found.records:
                taken[record.topic].append(record.value)
            return sum(map(len, taken.values())) >= count

        await until(all_taken)
        return taken


@pytest.fixture
async def stage(servers: Servers, prefix: str) -> AsyncIterator[Stage]:
    settings = WorkerSettings.model_construct(
        kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix, group_id=f"{prefix}group"
    )
    cluster = Cluster(settings)
    await make_topics(cluster, prefix, partitions=1, replication=1)
    client_id = f"worker-{uuid4()}"
    topics = [f"{prefix}requests", f"{prefix}facts"]
    consumer = AIOKafkaConsumer(
        *topics,
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
                requests=topics[0],
                facts=topics[1],
                intake=Intake(
                    settings=settings,
                    consumer=consumer,
                    polls=Polls(consumer, most_records=100),
                    coordinator=coordinator,
                    client_id=client_id,
                    key=LaneKey(topic_prefix=prefix, group_id=settings.group_id, partition=0),
                    topics=await cluster.topics(topics),
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
    stage.put(stage.requests, b"a", b"b")
    await stage.intake.owned(asyncio.Event())
    for _ in range(2):
        stage.intake.read_from(stage.start)
        assert (await stage.take(2))[stage.requests] == [b"a", b"b"]


@pytest.mark.parametrize("odd", ["facts", "requests"])
async def test_what_the_client_had_taken_of_the_other_topic_before_an_unreadable_record_is_not_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    def other_topic_first(places: list[tuple[TopicPartition, int]]) -> None:
        places.sort(key=lambda place: place[0].topic.endswith(odd))

    monkeypatch.setattr(
        fetcher, "random", SimpleNamespace(shuffle=other_topic_first)
    )  # the client leaves the order to luck
    values = {
        topic: [b"a", b"odd", b"b"] if topic.endswith(odd) else [b"a", b"b", b"c"]
        for topic in (stage.facts, stage.requests)
    }
    for topic, told in values.items():
        await stage.put_odd(topic, *told)
    await stage.intake.owned(asyncio.Event())
    stage.intake.read_from(stage.start)
    assert await stage.take(6) == values
