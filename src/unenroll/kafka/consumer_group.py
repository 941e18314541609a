"""What the group's coordinator says: the committed offsets, with what was written beside them, and who owns what.

Asked through aiokafka: confluent-kafka reads metadata beyond its end, and is lost for long when the broker restarts.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import for_code

from unenroll.errors import OutageError, Server
from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.assignor import NumberAssignor
from unenroll.kafka.committed_offsets import CommittedOffset
from unenroll.kafka.config import REQUEST_SECONDS, for_aiokafka, stays_current, stop_quietly
from unenroll.kafka.errors import kafka_errors
from unenroll.settings import WorkerSettings

_STABLE = "Stable"
_NO_COORDINATOR_SECONDS = 15.0
_ASK_AGAIN_SECONDS = 0.2

Answer = TypeVar("Answer")


class GroupCoordinator:
    """The coordinator of the group that the settings name. Every question raises OutageError or SetupError."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._group_id = settings.group_id
        self._admin = AIOKafkaAdminClient(**for_aiokafka(settings), request_timeout_ms=int(REQUEST_SECONDS * 1000))
        stays_current(settings, self._admin._client)  # noqa: SLF001 - nothing public has it

    async def __aenter__(self) -> Self:
        """Connect."""
        with kafka_errors("connecting"):
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._admin.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._admin.close()

    async def committed(
        self, partitions: Iterable[TopicPartitionNumber]
    ) -> dict[TopicPartitionNumber, CommittedOffset | None]:
        """What is committed of each partition; None where the group never did. Does not wait for pending transactions.

        Whoever needs the last word starts the lane's producer first: that ends what was pending.
        """
        wanted = [TopicPartition(partition.topic, partition.number) for partition in partitions]
        with kafka_errors("asking for committed offsets"):
            async with asyncio.timeout(REQUEST_SECONDS):
                found = await self._admin.list_consumer_group_offsets(self._group_id, partitions=wanted)
        if any(place not in found for place in wanted):  # the client tells an error of the coordinator by leaving out
            raise OutageError("Kafka does not say what the group has committed", server=Server.KAFKA)
        return {
            TopicPartitionNumber(topic=place.topic, number=place.partition): None
            if found[place].offset < 0
            else CommittedOffset(offset=found[place].offset, metadata=_text(found[place].metadata))
            for place in wanted
        }

    async def owners(self) -> Mapping[TopicPartitionNumber, str]:
        """The client id that owns each partition; empty while the group is not stable."""
        state, members = await self._group()
        return dict(_owned(members)) if state == _STABLE else {}

    async def members(self) -> list[str]:
        """The client ids of all that are in the group, also while it shares its partitions out."""
        _, members = await self._group()
        return sorted(client_id for _, client_id, *_ in members)

    async def _group(self) -> tuple[str, list[tuple[Any, ...]]]:
        with kafka_errors("asking who is in the group"):
            async with asyncio.timeout(REQUEST_SECONDS):
                (answer,) = await self._admin.describe_consumer_groups([self._group_id])
            error, _, state, _, _, members, *_ = answer.groups[0]
            if error:
                raise for_code(error)
            return state, members


async def group_coordinator(
    settings: WorkerSettings, question: Callable[[GroupCoordinator], Awaitable[Answer]]
) -> Answer:
    """What the coordinator answers; a cluster that never had a group needs a moment. Raises as the question does."""
    deadline = monotonic() + _NO_COORDINATOR_SECONDS
    while True:
        try:
            async with GroupCoordinator(settings) as coordinator:
                return await question(coordinator)
        except OutageError:
            if monotonic() > deadline:
                raise
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


async def committed_by(
    settings: WorkerSettings, partitions: Collection[TopicPartitionNumber]
) -> Mapping[TopicPartitionNumber, CommittedOffset | None]:
    """What the group has committed of each partition. Raises OutageError and SetupError."""
    return await group_coordinator(settings, lambda coordinator: coordinator.committed(partitions))


def _text(metadata: str | None) -> str:
    """What was written beside an offset. confluent-kafka writes a NUL behind it."""
    return (metadata or "").removesuffix("\x00")


def _owned(members: Iterable[tuple[Any, ...]]) -> Iterator[tuple[TopicPartitionNumber, str]]:
    for _, client_id, _, _, assignment in members:
        for place in ConsumerProtocolMemberAssignment.decode(assignment).partitions():
            yield TopicPartitionNumber(topic=place.topic, number=place.partition), client_id


_HEARTBEATS_IN_A_SESSION = 5
_LONGEST_HEARTBEAT_MS = 3_000
_REBALANCE_TIMEOUT_MS = 30_000
_REQUEST_TIMEOUT_MS = 40_000
_NEVER_MS = 2**31 - 1
_JOIN_SECONDS = 30.0
_LEAVE_SECONDS = 10.0


@asynccontextmanager
async def joined_group(settings: WorkerSettings, client_id: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that joins the group as soon as it subscribes, and leaves it at the end. Raises OutageError."""
    consumer = AIOKafkaConsumer(
        **for_aiokafka(settings),
        client_id=client_id,
        group_id=settings.group_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        partition_assignment_strategy=(NumberAssignor,),
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=min(settings.session_timeout_ms // _HEARTBEATS_IN_A_SESSION, _LONGEST_HEARTBEAT_MS),
        rebalance_timeout_ms=_REBALANCE_TIMEOUT_MS,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
        max_poll_interval_ms=_NEVER_MS,
    )
    stays_current(settings, consumer._client)  # noqa: SLF001 - nothing public has it
    try:
        with kafka_errors("joining the group"):
            async with asyncio.timeout(_JOIN_SECONDS):
                await consumer.start()
        yield consumer
    finally:
        await stop_quietly(consumer.stop(), seconds=_LEAVE_SECONDS)
