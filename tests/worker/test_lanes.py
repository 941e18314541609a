"""Lanes are opened when the group gives them, closed before it takes them; the group's own consumer reads nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from unenroll.errors import SetupError
from unenroll.kafka import consumer as reader
from unenroll.kafka import consumer_group as membership
from unenroll.kafka import transactional_producer as producer
from unenroll.worker import lanes as group
from unenroll.worker.backoff import OutageLog
from unenroll.worker.lanes import LaneEvents, Lanes

ASSIGNED = [TopicPartition(topic, number) for topic in ("facts", "requests") for number in (1, 3)]


class Started:
    """Lanes that note what is asked of them, and end when the test lets them."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.consumer = consumer
        self.lanes: dict[int, list[str]] = {}
        self.paused: list[set[TopicPartition]] = []
        self.batch_in_hand = asyncio.Event()
        self.finished: list[int] = []

    def start(self, number: int, topics: list[str], life: LaneEvents) -> "asyncio.Task[None]":
        self.lanes[number] = topics
        self.paused.append(set(self.consumer.paused()))
        return asyncio.create_task(self._run(number, life))

    async def _run(self, number: int, life: LaneEvents) -> None:
        life.opened.set()
        await life.stopping.wait()
        await self.batch_in_hand.wait()
        self.finished.append(number)


@pytest.fixture
async def started() -> AsyncIterator[Started]:
    """For a consumer that has its partitions, and never speaks to a broker."""
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    consumer.assign(ASSIGNED)
    yield Started(consumer)
    await consumer.stop()


def lanes_of(started: Started) -> Lanes:
    return Lanes(started.consumer, started.start, waiting=OutageLog())


async def test_a_lane_is_a_number_of_all_topics_and_the_consumer_reads_nothing_itself(started: Started) -> None:
    lanes = lanes_of(started)
    assert not lanes.open
    await lanes.on_partitions_assigned(ASSIGNED)
    assert started.lanes == {1: ["facts", "requests"], 3: ["facts", "requests"]}
    assert started.paused == [set(ASSIGNED)] * 2
    started.batch_in_hand.set()
    await lanes.close()


async def test_the_batch_in_hand_is_finished_before_the_lane_is_given_away(started: Started) -> None:
    lanes = lanes_of(started)
    await lanes.on_partitions_assigned(ASSIGNED)
    revoked = asyncio.create_task(lanes.on_partitions_revoked(ASSIGNED))
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(revoked), 0.05)
    assert not revoked.done()
    started.batch_in_hand.set()
    await revoked
    assert sorted(started.finished) == [1, 3]
    assert not lanes.open


async def test_a_lane_that_does_not_finish_in_time_is_cut_off(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "DRAIN_SECONDS", 0.05)
    lanes = lanes_of(started)
    await lanes.on_partitions_assigned(ASSIGNED)
    await lanes.close()
    assert started.finished == []
    assert not lanes.failed.done()


def test_lanes_are_closed_before_the_rebalance_is_over() -> None:
    told = membership._LONGEST_HEARTBEAT_MS / 1000  # noqa: SLF001 - how late a worker hears of a rebalance
    closed = told + group.DRAIN_SECONDS + group.CUT_OFF_SECONDS
    assert closed < membership._REBALANCE_TIMEOUT_MS / 1000  # noqa: SLF001
    assert producer._STOP_SECONDS + reader._STOP_SECONDS < group.CUT_OFF_SECONDS  # noqa: SLF001


async def test_a_lane_that_does_not_even_stop_when_cut_off_holds_up_nobody(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "DRAIN_SECONDS", 0.05)
    monkeypatch.setattr(group, "CUT_OFF_SECONDS", 0.05)
    over = asyncio.Event()

    async def cling() -> None:
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await over.wait()

    lanes = Lanes(started.consumer, lambda *_: asyncio.create_task(cling()), waiting=OutageLog())
    await lanes.on_partitions_assigned(ASSIGNED)
    async with asyncio.timeout(5):
        await lanes.close()
    over.set()


async def test_what_is_given_to_a_worker_that_leaves_is_not_opened(started: Started) -> None:
    lanes = lanes_of(started)
    await lanes.leave()
    await lanes.on_partitions_assigned(ASSIGNED)
    assert started.lanes == {}


async def test_the_error_of_a_lane_is_kept_for_the_worker(started: Started) -> None:
    async def fail() -> None:
        raise SetupError("a right is missing")

    lanes = Lanes(started.consumer, lambda *_: asyncio.create_task(fail()), waiting=OutageLog())
    await lanes.on_partitions_assigned(ASSIGNED)
    with pytest.raises(SetupError, match="a right is missing"):
        await asyncio.wait_for(lanes.failed, 10)


async def test_an_error_in_the_listener_itself_is_kept_for_the_worker(started: Started) -> None:
    lanes = lanes_of(started)
    unknown = [TopicPartition("facts", 7)]
    await lanes.on_partitions_assigned(unknown)
    assert lanes.failed.exception() is not None
