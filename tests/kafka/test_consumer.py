"""A lane reads both topics from its positions; an unreadable record stops nothing, and no record is lost."""

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher

from support.topics import NewRecord, produce, produce_with_invalid_header
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.consumer import LaneConsumer, open_consumer
from unenroll.kafka.topics import make_topics
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import WorkerSettings
from unenroll.wire.topics import Position
from unenroll.worker.recovery import position_in
from waiting import until

_MANY = 9_000
_A_BATCH_SECONDS = 0.06


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Two topics, and the positions at their beginnings."""

    settings: WorkerSettings
    requests: str
    facts: str
    start: list[Position]

    def produce(self, topic: str, *values: bytes) -> None:
        produce(self.settings.kafka_bootstrap_servers, topic, (NewRecord(value=value) for value in values))

    async def put_odd(self, topic: str, *values: bytes) -> None:
        kafka = self.settings.kafka_bootstrap_servers
        await produce_with_invalid_header(kafka, topic, values, odd=b"odd", partition=0)

    async def read_first(self, count: int) -> dict[str, list[bytes | None]]:
        """Return the values of the first records by topic."""
        async with open_consumer(self.settings, 0, self.start) as reader:
            return await self.read(reader, count)

    async def read(self, reader: LaneConsumer, count: int) -> dict[str, list[bytes | None]]:
        """Return the values of the next records by topic."""
        values: dict[str, list[bytes | None]] = {self.requests: [], self.facts: []}

        async def has_all() -> bool:
            found = await reader.poll(asyncio.Event())
            assert found is not None
            for record in found.records:
                values[record.topic].append(record.value)
            return sum(map(len, values.values())) >= count

        await until(has_all)
        return values


@pytest.fixture
async def stage(servers: ServerAddresses, prefix: str) -> Stage:
    settings = WorkerSettings.model_construct(
        kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix, batch_records=100
    )
    cluster = KafkaAdmin(settings)
    await make_topics(cluster, prefix, partitions=1, replication=1)
    requests, facts = f"{prefix}requests", f"{prefix}facts"
    found = await cluster.topics([requests, facts])
    return Stage(
        settings=settings,
        requests=requests,
        facts=facts,
        start=[position_in(found[topic], 0) for topic in (facts, requests)],
    )


async def test_a_consumer_reads_from_its_positions(stage: Stage) -> None:
    stage.produce(stage.requests, b"a", b"b")
    for _ in range(2):
        assert (await stage.read_first(2))[stage.requests] == [b"a", b"b"]


async def test_positions_are_after_the_last_record(stage: Stage) -> None:
    stage.produce(stage.requests, b"a", b"b")
    async with open_consumer(stage.settings, 0, stage.start) as reader:
        await stage.read(reader, 2)
        nothing_more = await reader.poll(asyncio.Event())
    assert nothing_more is not None
    assert [position.offset for position in nothing_more.ends] == [0, 2]


async def test_a_lane_that_stops_reads_no_record(stage: Stage) -> None:
    stage.produce(stage.requests, b"a")
    stopping = asyncio.Event()
    stopping.set()
    async with open_consumer(stage.settings, 0, stage.start) as reader:
        assert await reader.poll(stopping) is None


async def test_the_backlog_of_one_topic_does_not_wait_for_the_other_topic(stage: Stage) -> None:
    stage.produce(stage.requests, *(b"%d" % index * 100 for index in range(_MANY)))
    counts: list[int] = []
    async with open_consumer(stage.settings, 0, stage.start) as reader:
        while sum(counts) < _MANY:
            found = await reader.poll(asyncio.Event())
            counts.append(len(found.records) if found else 0)
            await asyncio.sleep(_A_BATCH_SECONDS)
    assert 0 not in counts[1:], "a poll returned nothing during the backlog"


@pytest.mark.parametrize("odd", ["facts", "requests"])
async def test_records_that_the_client_read_before_an_unreadable_one_are_not_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    def other_topic_first(places: list[tuple[TopicPartition, int]]) -> None:
        places.sort(key=lambda place: place[0].topic.endswith(odd))

    monkeypatch.setattr(
        fetcher, "random", SimpleNamespace(shuffle=other_topic_first)
    )  # the client reads topics in random order
    values = {
        topic: [b"a", b"odd", b"b"] if topic.endswith(odd) else [b"a", b"b", b"c"]
        for topic in (stage.facts, stage.requests)
    }
    for topic, written in values.items():
        await stage.put_odd(topic, *written)
    assert await stage.read_first(6) == values
