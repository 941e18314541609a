"""Lanes open when the group assigns them and close before it revokes them; the group's own consumer reads nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from unenroll.errors import SetupError
from unenroll.kafka import consumer as reader
from unenroll.kafka import consumer_group as membership
from unenroll.kafka import transactional_producer as producer
from unenroll.worker import lanes as module
from unenroll.worker.backoff import OutageLog
from unenroll.worker.lanes import LaneEvents, Lanes

ASSIGNED = [TopicPartition(topic, number) for topic in ("facts", "requests") for number in (1, 3)]


class Started:
    """Lanes that record their start and end, and finish their batch when the test allows it."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.consumer = consumer
        self.lanes: dict[int, list[str]] = {}
        self.paused: list[set[TopicPartition]] = []
        self.batch_may_end = asyncio.Event()
        self.finished: list[int] = []

    def start(self, number: int, topics: list[str], events: LaneEvents) -> "asyncio.Task[None]":
        self.lanes[number] = topics
        self.paused.append(set(self.consumer.paused()))
        return asyncio.create_task(self._run(number, events))

    async def _run(self, number: int, events: LaneEvents) -> None:
        events.opened.set()
        await events.stopping.wait()
        await self.batch_may_end.wait()
        self.finished.append(number)


@pytest.fixture
async def started() -> AsyncIterator[Started]:
    """Lanes for a consumer that has partitions and no broker."""
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    consumer.assign(ASSIGNED)
    yield Started(consumer)
    await consumer.stop()


def lanes_of(started: Started) -> Lanes:
    return Lanes(started.consumer, started.start, outages=OutageLog())


async def test_a_lane_has_its_number_of_all_topics_and_the_group_consumer_reads_nothing(
    started: Started,
) -> None:
    lanes = lanes_of(started)
    assert not lanes.open
    await lanes.on_partitions_assigned(ASSIGNED)
    assert started.lanes == {1: ["facts", "requests"], 3: ["facts", "requests"]}
    assert started.paused == [set(ASSIGNED)] * 2
    started.batch_may_end.set()
    await lanes.close()


async def test_a_lane_finishes_its_batch_before_it_is_revoked(started: Started) -> None:
    lanes = lanes_of(started)
    await lanes.on_partitions_assigned(ASSIGNED)
    revoked = asyncio.create_task(lanes.on_partitions_revoked(ASSIGNED))
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(revoked), 0.05)
    assert not revoked.done()
    started.batch_may_end.set()
    await revoked
    assert sorted(started.finished) == [1, 3]
    assert not lanes.open


async def test_a_lane_that_does_not_finish_in_time_is_cancelled(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.05)
    lanes = lanes_of(started)
    await lanes.on_partitions_assigned(ASSIGNED)
    await lanes.close()
    assert started.finished == []
    assert not lanes.failure.done()


def test_lanes_are_closed_before_the_rebalance_is_over() -> None:
    late = membership._LONGEST_HEARTBEAT_MS / 1000  # noqa: SLF001 - how late a worker learns of a rebalance
    closed = late + module.DRAIN_SECONDS + module.CUT_OFF_SECONDS
    assert closed < membership._REBALANCE_TIMEOUT_MS / 1000  # noqa: SLF001
    assert producer._STOP_SECONDS + reader._STOP_SECONDS < module.CUT_OFF_SECONDS  # noqa: SLF001


async def test_a_lane_that_ignores_its_cancellation_does_not_block_the_rebalance(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.05)
    monkeypatch.setattr(module, "CUT_OFF_SECONDS", 0.05)
    over = asyncio.Event()

    async def cling() -> None:
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await over.wait()

    lanes = Lanes(started.consumer, lambda *_: asyncio.create_task(cling()), outages=OutageLog())
    await lanes.on_partitions_assigned(ASSIGNED)
    async with asyncio.timeout(5):
        await lanes.close()
    over.set()


async def test_a_worker_that_leaves_opens_no_lanes(started: Started) -> None:
    lanes = lanes_of(started)
    await lanes.leave()
    await lanes.on_partitions_assigned(ASSIGNED)
    assert started.lanes == {}


async def test_the_worker_gets_the_error_of_a_lane(started: Started) -> None:
    async def fail() -> None:
        raise SetupError("a right is missing")

    lanes = Lanes(started.consumer, lambda *_: asyncio.create_task(fail()), outages=OutageLog())
    await lanes.on_partitions_assigned(ASSIGNED)
    with pytest.raises(SetupError, match="a right is missing"):
        await asyncio.wait_for(lanes.failure, 10)


async def test_the_worker_gets_an_error_of_the_listener(started: Started) -> None:
    lanes = lanes_of(started)
    unknown = [TopicPartition("facts", 7)]
    await lanes.on_partitions_assigned(unknown)
    assert lanes.failure.exception() is not None
