"""Messages and offsets become visible together, or the producer raises an error."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import RequestTimedOutError
from aiokafka.protocol.transaction import EndTxnRequest

from support.topics import consume
from unenroll.errors import OutageError
from unenroll.kafka.admin import KafkaAdmin, TopicPartitionNumber
from unenroll.kafka.committed_offsets import CommittedOffset
from unenroll.kafka.consumer_group import GroupCoordinator
from unenroll.kafka.topics import make_topics
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import WorkerSettings
from unenroll.wire.topics import Message


@pytest.fixture
async def settings(servers: ServerAddresses, prefix: str) -> AsyncIterator[WorkerSettings]:
    """Settings with topics and a group of the test's own."""
    found = WorkerSettings.model_construct(
        kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix, group_id=f"{prefix}group"
    )
    await make_topics(KafkaAdmin(found), prefix, partitions=1, replication=1)
    yield found
    gc.collect()  # so that warnings about a broken producer appear in its own test


def producer(
    settings: WorkerSettings, number: int = 0, *, large_publications: asyncio.Lock | None = None
) -> LaneProducer:
    return LaneProducer(
        settings,
        transactional_id=f"{settings.topic_prefix}:{number}",
        group_id=settings.group_id,
        batch_bytes=1_000_000,
        large_publications=large_publications,
    )


def message(value: bytes) -> Message:
    return Message(topic="rewards", key=b"7", value=value, headers=(("name", b"1"),))


def visible(settings: WorkerSettings) -> list[bytes | None]:
    return [one.value for one in consume(settings.kafka_bootstrap_servers, settings.topic_prefix)]


async def committed(settings: WorkerSettings) -> CommittedOffset | None:
    async with GroupCoordinator(settings) as coordinator:
        return (await coordinator.committed([requests(settings)]))[requests(settings)]


def requests(settings: WorkerSettings) -> TopicPartitionNumber:
    return TopicPartitionNumber(topic=f"{settings.topic_prefix}requests", number=0)


async def test_messages_in_order_and_offsets_with_metadata_become_visible(settings: WorkerSettings) -> None:
    values = [b"%d" % number for number in range(500)]
    async with producer(settings) as ours:
        assert await committed(settings) is None
        await ours.publish(list(map(message, values)), {requests(settings): (42, "sequence 9")})
        await ours.publish([], {requests(settings): (43, "sequence 9")})
    assert visible(settings) == values
    assert await committed(settings) == CommittedOffset(offset=43, metadata="sequence 9")


async def test_a_large_publication_waits_for_another_one_and_a_small_one_does_not(settings: WorkerSettings) -> None:
    lock = asyncio.Lock()
    async with producer(settings, large_publications=lock) as ours:
        async with lock:
            large = asyncio.create_task(ours.publish([message(b"x" * 900_000)] * 2, {requests(settings): (2, "")}))
            async with producer(settings, number=1, large_publications=lock) as other:
                await other.publish([message(b"small")], {requests(settings): (1, "")})
            assert (visible(settings), large.done()) == ([b"small"], False)
        await large
    assert len(visible(settings)) == 3


async def test_a_rejected_message_aborts_the_others_and_the_offsets(settings: WorkerSettings) -> None:
    async with producer(settings) as ours:
        with pytest.raises(OutageError):
            await ours.publish([message(b"a"), message(b"x" * 2_000_000)], {requests(settings): (42, "")})
    async with producer(settings):
        assert visible(settings) == []
        assert await committed(settings) is None


async def test_a_new_producer_fences_the_previous_one(settings: WorkerSettings) -> None:
    async with producer(settings) as former:
        await former.publish([message(b"a")], {requests(settings): (1, "")})
        async with producer(settings) as ours:
            with pytest.raises(OutageError):
                await former.publish([message(b"b")], {requests(settings): (2, "")})
            await ours.publish([message(b"c")], {requests(settings): (3, "")})
    assert visible(settings) == [b"a", b"c"]
    assert await committed(settings) == CommittedOffset(offset=3, metadata="")


async def test_a_repeated_commit_is_an_error(settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    send = AIOKafkaClient.send
    lost: list[Any] = []

    async def lose_an_answer(client: AIOKafkaClient, node: int, request: Any, **more: Any) -> Any:  # noqa: ANN401
        answer = await send(client, node, request, **more)
        if isinstance(request, EndTxnRequest) and not lost:
            lost.append(answer)
            raise RequestTimedOutError
        return answer

    monkeypatch.setattr(AIOKafkaClient, "send", lose_an_answer)
    async with producer(settings) as ours:
        with pytest.raises(OutageError, match="had to repeat the commit"):
            await ours.publish([message(b"a")], {requests(settings): (1, "")})
    assert visible(settings) == [b"a"]
