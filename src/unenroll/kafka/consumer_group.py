"""The consumer group: its committed offsets with their metadata, its members, and how a worker joins it.

This uses aiokafka: confluent-kafka reads metadata beyond its end, and recovers slowly when the broker restarts.
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

from unenroll.cooperative import SharedCalls
from unenroll.errors import OutageError, Server
from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.aiokafka_internals import client_of, give_up_silent_connections
from unenroll.kafka.assignor import NumberAssignor
from unenroll.kafka.committed_offsets import CommittedOffset
from unenroll.kafka.config import CLIENT_SECONDS, REQUEST_SECONDS, for_aiokafka, reload_credentials, stop_quietly
from unenroll.kafka.consumer import running_consumer
from unenroll.kafka.errors import kafka_errors
from unenroll.settings import WorkerSettings

_STABLE = "Stable"
_NEW_COORDINATOR_SECONDS = 15.0
_RETRY_SECONDS = 0.2

_HEARTBEATS_IN_A_SESSION = 5
_LONGEST_HEARTBEAT_MS = 3_000
_REBALANCE_TIMEOUT_MS = 30_000
_REQUEST_TIMEOUT_MS = 40_000
_NEVER_MS = 2**31 - 1
_JOIN_SECONDS = 30.0
_LEAVE_SECONDS = 10.0
_CLOSE_SECONDS = 1.0

Answer = TypeVar("Answer")


class GroupCoordinator:
    """Requests to the coordinator of the group in the settings. All methods raise OutageError or SetupError.

    After a failed request it drops the client: its connection may be one that does not answer any more.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._group_id = settings.group_id
        self._admin: AIOKafkaAdminClient | None = None
        self._connecting = asyncio.Lock()
        self._descriptions = SharedCalls(self._request_description)

    async def __aenter__(self) -> Self:
        """Connect."""
        with kafka_errors("connecting to the group coordinator"):
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._client()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._drop_client()

    async def _client(self) -> AIOKafkaAdminClient:
        async with self._connecting:
            if self._admin is None:
                self._admin = await self._connected()
            return self._admin

    async def _connected(self) -> AIOKafkaAdminClient:
        admin = AIOKafkaAdminClient(**for_aiokafka(self._settings), request_timeout_ms=int(CLIENT_SECONDS * 1000))
        reload_credentials(self._settings, client_of(admin))
        try:
            await admin.start()
        except BaseException:
            await stop_quietly(admin.close(), seconds=_CLOSE_SECONDS)
            raise
        return admin

    async def _drop_client(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            await stop_quietly(admin.close(), seconds=_CLOSE_SECONDS)

    @asynccontextmanager
    async def _requesting(self, action: str) -> AsyncIterator[AIOKafkaAdminClient]:
        """The client for one request. Drops it if the request fails."""
        with kafka_errors(action):
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    yield await self._client()
            except BaseException:
                await self._drop_client()
                raise

    async def committed(
        self, partitions: Iterable[TopicPartitionNumber]
    ) -> dict[TopicPartitionNumber, CommittedOffset | None]:
        """Return the committed offset of each partition, or None. Does not wait for pending transactions.

        A lane starts its producer before it calls this: that ends the pending transaction.
        """
        requested = [TopicPartition(partition.topic, partition.number) for partition in partitions]
        async with self._requesting("reading committed offsets") as admin:
            found = await admin.list_consumer_group_offsets(self._group_id, partitions=requested)
        if any(
            place not in found for place in requested
        ):  # after an error of the coordinator the client omits partitions
            raise OutageError("Kafka does not answer (reading committed offsets)", server=Server.KAFKA)
        return {
            TopicPartitionNumber(topic=place.topic, number=place.partition): None
            if found[place].offset < 0
            else CommittedOffset(offset=found[place].offset, metadata=_text(found[place].metadata))
            for place in requested
        }

    async def owners(self) -> Mapping[TopicPartitionNumber, str]:
        """Return the client id of each partition's owner; nothing while the group rebalances.

        Lanes that ask at the same time share a request.
        """
        state, members = await self._descriptions.call()
        return dict(_owners(members)) if state == _STABLE else {}

    async def members(self) -> list[str]:
        """Return the client ids of the members, also while the group rebalances."""
        _, members = await self._descriptions.call()
        return sorted(client_id for _, client_id, *_ in members)

    async def _request_description(self) -> tuple[str, list[tuple[Any, ...]]]:
        async with self._requesting("describing the group") as admin:
            (answer,) = await admin.describe_consumer_groups([self._group_id])
            error, _, state, _, _, members, *_ = answer.groups[0]
            if error:
                raise for_code(error)
            return state, members


async def group_coordinator(
    settings: WorkerSettings, request: Callable[[GroupCoordinator], Awaitable[Answer]]
) -> Answer:
    """Connect and return the result of the request. Retries for 15 s: a new cluster has no coordinator at first.

    Raises the errors of the request.
    """
    deadline = monotonic() + _NEW_COORDINATOR_SECONDS
    while True:
        try:
            async with GroupCoordinator(settings) as coordinator:
                return await request(coordinator)
        except OutageError:
            if monotonic() > deadline:
                raise
        await asyncio.sleep(_RETRY_SECONDS)


async def committed_by(
    settings: WorkerSettings, partitions: Collection[TopicPartitionNumber]
) -> Mapping[TopicPartitionNumber, CommittedOffset | None]:
    """Return the group's committed offset of each partition, or None. Raises OutageError and SetupError."""
    return await group_coordinator(settings, lambda coordinator: coordinator.committed(partitions))


def _text(metadata: str | None) -> str:
    """Return the metadata without the NUL that confluent-kafka appends."""
    return (metadata or "").removesuffix("\x00")


def _owners(members: Iterable[tuple[Any, ...]]) -> Iterator[tuple[TopicPartitionNumber, str]]:
    for _, client_id, _, _, assignment in members:
        for place in ConsumerProtocolMemberAssignment.decode(assignment).partitions():
            yield TopicPartitionNumber(topic=place.topic, number=place.partition), client_id


@asynccontextmanager
async def joined_group(settings: WorkerSettings, client_id: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Start a consumer that joins the group when it subscribes, and leaves it at the end. Raises OutageError."""
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
    give_up_silent_connections(client_of(consumer), seconds=CLIENT_SECONDS)
    async with running_consumer(
        settings, consumer, doing="joining the group", start_seconds=_JOIN_SECONDS, stop_seconds=_LEAVE_SECONDS
    ):
        yield consumer
