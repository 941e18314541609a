"""A lane reads both its topics from where it begins; what cannot be read holds nothing up, and nothing gets lost."""

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher

from support.topics import Put, put, put_with_odd_headers
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
    """Two topics, and what a lane that begins with them knows of them."""

    settings: WorkerSettings
    requests: str
    facts: str
    start: list[Position]

    def put(self, topic: str, *values: bytes) -> None:
        put(self.settings.kafka_bootstrap_servers, topic, (Put(value=value) for value in values))

    async def put_odd(self, topic: str, *values: bytes) -> None:
        kafka = self.settings.kafka_bootstrap_servers
        await put_with_odd_headers(kafka, topic, values, odd=b"odd", partition=0)

    async def take(self, count: int) -> dict[str, list[bytes | None]]:
        """The values of the first so many records by topic."""
        async with open_consumer(self.settings, 0, self.start) as reader:
            return await self.taken(reader, count)

    async def taken(self, reader: LaneConsumer, count: int) -> dict[str, list[bytes | None]]:
        """The values of so many more records by topic."""
        taken: dict[str, list[bytes | None]] = {self.requests: [], self.facts: []}

        async def all_taken() -> bool:
            found = await reader.take(asyncio.Event())
            assert found is not None
            for record in found.records:
                taken[record.topic].append(record.value)
            return sum(map(len, taken.values())) >= count

        await until(all_taken)
        return taken


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


async def test_every_reader_begins_where_it_is_told(stage: Stage) -> None:
    stage.put(stage.requests, b"a", b"b")
    for _ in range(2):
        assert (await stage.take(2))[stage.requests] == [b"a", b"b"]


async def test_what_was_taken_ends_where_the_next_begins(stage: Stage) -> None:
    stage.put(stage.requests, b"a", b"b")
    async with open_consumer(stage.settings, 0, stage.start) as reader:
        await stage.taken(reader, 2)
        nothing_more = await reader.take(asyncio.Event())
    assert nothing_more is not None
    assert [position.offset for position in nothing_more.ends] == [0, 2]


async def test_nothing_is_taken_once_the_lane_is_to_stop(stage: Stage) -> None:
    stage.put(stage.requests, b"a")
    stopping = asyncio.Event()
    stopping.set()
    async with open_consumer(stage.settings, 0, stage.start) as reader:
        assert await reader.take(stopping) is None


async def test_a_backlog_of_one_topic_never_waits_for_the_silence_of_the_other(stage: Stage) -> None:
    stage.put(stage.requests, *(b"%d" % index * 100 for index in range(_MANY)))
    taken: list[int] = []
    async with open_consumer(stage.settings, 0, stage.start) as reader:
        while sum(taken) < _MANY:
            found = await reader.take(asyncio.Event())
            taken.append(len(found.records) if found else 0)
            await asyncio.sleep(_A_BATCH_SECONDS)
    assert 0 not in taken[1:], "a poll in vain, amid a backlog"


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
    assert await stage.take(6) == values
