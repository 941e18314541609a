"""One strike: messages and offsets become visible together, or the producer says that nobody knows."""

import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import ConcurrentTransactions, RequestTimedOutError
from aiokafka.producer import sender
from aiokafka.protocol.transaction import AddPartitionsToTxnResponse_v0, EndTxnRequest

from support.topics import seen
from unenroll.errors import OutageError
from unenroll.kafka.admin import KafkaAdmin, TopicPartitionNumber
from unenroll.kafka.committed_offsets import CommittedOffset
from unenroll.kafka.consumer_group import GroupCoordinator
from unenroll.kafka.topics import make_topics
from unenroll.kafka.transactional_producer import AddPartitions, LaneProducer
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import WorkerSettings
from unenroll.wire.topics import Message


@pytest.fixture
async def settings(servers: ServerAddresses, prefix: str) -> AsyncIterator[WorkerSettings]:
    """Topics and a group of the test's own."""
    found = WorkerSettings.model_construct(
        kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix, group_id=f"{prefix}group"
    )
    await make_topics(KafkaAdmin(found), prefix, partitions=1, replication=1)
    yield found
    gc.collect()  # what a broken producer leaves is to be complained of here, in the test


def producer(settings: WorkerSettings) -> LaneProducer:
    return LaneProducer(
        settings, transactional_id=f"{settings.topic_prefix}:0", group_id=settings.group_id, batch_bytes=1_000_000
    )


def message(value: bytes) -> Message:
    return Message(topic="rewards", key=b"7", value=value, headers=(("name", b"1"),))


def visible(settings: WorkerSettings) -> list[bytes | None]:
    return [one.value for one in seen(settings.kafka_bootstrap_servers, settings.topic_prefix)]


async def committed(settings: WorkerSettings) -> CommittedOffset | None:
    async with GroupCoordinator(settings) as coordinator:
        return (await coordinator.committed([requests(settings)]))[requests(settings)]


def requests(settings: WorkerSettings) -> TopicPartitionNumber:
    return TopicPartitionNumber(topic=f"{settings.topic_prefix}requests", number=0)


async def test_messages_in_their_order_and_offsets_with_their_metadata_become_visible(settings: WorkerSettings) -> None:
    values = [b"%d" % number for number in range(500)]
    async with producer(settings) as ours:
        assert await committed(settings) is None
        await ours.publish(list(map(message, values)), {requests(settings): (42, "sequence 9")})
        await ours.publish([], {requests(settings): (43, "sequence 9")})
    assert visible(settings) == values
    assert await committed(settings) == CommittedOffset(offset=43, metadata="sequence 9")


async def test_a_message_that_is_refused_takes_the_others_and_the_offsets_with_it(settings: WorkerSettings) -> None:
    async with producer(settings) as ours:
        with pytest.raises(OutageError):
            await ours.publish([message(b"a"), message(b"x" * 2_000_000)], {requests(settings): (42, "")})
    async with producer(settings):
        assert visible(settings) == []
        assert await committed(settings) is None


async def test_whoever_starts_fences_the_former_owner(settings: WorkerSettings) -> None:
    async with producer(settings) as former:
        await former.publish([message(b"a")], {requests(settings): (1, "")})
        async with producer(settings) as ours:
            with pytest.raises(OutageError):
                await former.publish([message(b"b")], {requests(settings): (2, "")})
            await ours.publish([message(b"c")], {requests(settings): (3, "")})
    assert visible(settings) == [b"a", b"c"]
    assert await committed(settings) == CommittedOffset(offset=3, metadata="")


async def test_a_commit_that_had_to_be_sent_again_is_not_taken_for_one(
    settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        with pytest.raises(OutageError, match="had to be sent again"):
            await ours.publish([message(b"a")], {requests(settings): (1, "")})
    assert visible(settings) == [b"a"]


class Manager:
    """What the client knows of a transaction that has no partitions yet."""

    txn_partitions: frozenset[TopicPartition] = frozenset()


class Sending:
    """What a request of the client needs of it."""

    _retry_backoff = 0.1
    _txn_manager = Manager()


def test_a_transaction_that_follows_right_on_another_begins_after_3_ms() -> None:
    busy = AddPartitionsToTxnResponse_v0(throttle_time_ms=0, errors=[("facts", [(0, ConcurrentTransactions.errno)])])
    places = [TopicPartition("facts", 0)]
    assert sender.AddPartitionsToTxnHandler(Sending(), places).handle_response(busy) == 0.02
    assert AddPartitions(Sending(), places).handle_response(busy) == 0.003


async def test_the_client_begins_a_transaction_as_we_have_it(
    settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    handle = AddPartitions.handle_response

    def noted(handler: AddPartitions, response: Any) -> float | None:  # noqa: ANN401
        begun.append(handler)
        return handle(handler, response)

    monkeypatch.setattr(AddPartitions, "handle_response", noted)
    async with producer(settings) as ours:
        await ours.publish([message(b"a")], {requests(settings): (1, "")})
    assert begun
