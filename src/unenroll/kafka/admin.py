"""The admin client: creates topics, reads their settings and the offsets of their partitions, commits offsets."""

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from confluent_kafka import (
    OFFSET_INVALID,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined] # exported, but missing in its type stubs
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from unenroll.errors import OutageError, Server, SetupError
from unenroll.kafka.config import REQUEST_SECONDS, LibrdkafkaCredentials, for_confluent
from unenroll.kafka.connection_check import check_connection
from unenroll.kafka.errors import kafka_errors
from unenroll.settings import KafkaSettings

# After these errors the client keeps its old leader epochs for minutes, unless it reloads the metadata.
_STALE_LEADER = {
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.NOT_LEADER_FOR_PARTITION,
}
_HAS_MEMBERS = {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP, KafkaError.REBALANCE_IN_PROGRESS}
_MISSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}  # noqa: SLF001 - public in librdkafka


@dataclass(frozen=True, kw_only=True, slots=True)
class KafkaTopic:
    """A topic that exists. A topic that was deleted and recreated has another `topic_id`."""

    name: str
    topic_id: str
    partitions: int
    replication: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicPartitionNumber:
    """One partition of a topic."""

    topic: str
    number: int


def partitions_of(topics: Iterable[KafkaTopic]) -> list[TopicPartitionNumber]:
    """Return all partitions of the topics, topic by topic."""
    return [
        TopicPartitionNumber(topic=topic.name, number=number) for topic in topics for number in range(topic.partitions)
    ]


class KafkaAdmin:
    """Requests to the cluster of the settings. All methods raise OutageError or SetupError."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._credentials = LibrdkafkaCredentials(settings)
        self._client: AdminClient | None = None

    async def client(self) -> AdminClient:
        """Return the connected client. Raises OutageError, SetupError or UsageError if Kafka denies access."""
        if self._client is None:
            await check_connection(self._settings)
            with kafka_errors("creating an admin client"):
                self._client = await asyncio.to_thread(AdminClient, for_confluent(self._settings))
        self._credentials.refresh(self._client)
        return self._client

    async def topics(self, names: Iterable[str]) -> dict[str, KafkaTopic]:
        """Return the topics that exist, by name."""
        with kafka_errors("describing topics"):
            futures = (await self.client()).describe_topics(
                TopicCollection(list(names)), request_timeout=REQUEST_SECONDS
            )
            try:
                answers = {name: await _answer(future, missing_is=None) for name, future in futures.items()}
            except KafkaException:  # the broker that the client asked may be gone
                await self._reload_metadata()
                raise
        return {
            name: KafkaTopic(
                name=name,
                topic_id=str(found.topic_id),
                partitions=len(found.partitions),
                replication=min(len(partition.replicas) for partition in found.partitions),
            )
            for name, found in answers.items()
            if found is not None
        }

    async def configuration(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return the settings of each topic, by its name."""
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not resources:
            return {}
        with kafka_errors("describing the settings of topics"):
            futures = (await self.client()).describe_configs(resources, request_timeout=REQUEST_SECONDS)
            return {
                resource.name: {name: entry.value for name, entry in (await _answer(future)).items()}
                for resource, future in futures.items()
            }

    async def create(self, topics: Iterable[NewTopic]) -> None:
        """Create the topics; leave those that exist as they are."""
        new_topics = list(topics)
        if not new_topics:
            return
        with kafka_errors("creating topics"):
            futures = (await self.client()).create_topics(new_topics, request_timeout=REQUEST_SECONDS)
            for future in futures.values():
                try:
                    await _answer(future)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise

    async def ends(self, partitions: Iterable[TopicPartitionNumber]) -> dict[TopicPartitionNumber, int]:
        """Return the offset after the last record that a read_committed consumer sees now (last stable offset)."""
        return await self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    async def high_watermarks(self, partitions: Iterable[TopicPartitionNumber]) -> dict[TopicPartitionNumber, int]:
        """Return the offset after the last record. A transaction that is open withholds all records behind it."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        return await self._offsets(partitions, latest, isolation=IsolationLevel.READ_UNCOMMITTED)

    async def beginnings(self, partitions: Iterable[TopicPartitionNumber]) -> dict[TopicPartitionNumber, int]:
        """Return the offset of the first record that still exists."""
        return await self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    async def offsets_at(
        self, partitions: Iterable[TopicPartitionNumber], instant: datetime
    ) -> dict[TopicPartitionNumber, int]:
        """Return the offset of the first record with this timestamp or a later one; the end if there is none."""
        places = list(partitions)
        milliseconds = int(instant.timestamp() * 1000)
        if milliseconds < 0:  # to Kafka, -1 means the end and -2 the beginning
            return await self.beginnings(places)
        spec = OffsetSpec.for_timestamp(milliseconds)
        found, ends = await self._offsets(places, spec), await self.ends(places)
        return {place: ends[place] if found[place] < 0 else found[place] for place in places}

    async def commit(self, group_id: str, offsets: Mapping[TopicPartitionNumber, tuple[int, str]]) -> None:
        """Commit offsets and their metadata for a group without members.

        Raises SetupError if the group has members; then it has committed nothing.
        """
        commits = [
            TopicPartition(place.topic, place.number, offset, metadata) for place, (offset, metadata) in offsets.items()
        ]
        with kafka_errors("committing offsets"):
            futures = (await self.client()).alter_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group_id, commits)], request_timeout=REQUEST_SECONDS
            )
            for place in (await _answer(futures[group_id])).topic_partitions:
                if place.error is not None and place.error.code() in _HAS_MEMBERS:
                    raise SetupError(f"group {group_id} has members, so nobody can set its offsets: stop them first")
                if place.error is not None:
                    raise KafkaException(place.error)

    async def _offsets(
        self,
        partitions: Iterable[TopicPartitionNumber],
        spec: OffsetSpec,
        *,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
    ) -> dict[TopicPartitionNumber, int]:
        specs = {TopicPartition(partition.topic, partition.number): spec for partition in partitions}
        if not specs:
            return {}
        with kafka_errors("listing the offsets of partitions"):
            futures = (await self.client()).list_offsets(
                specs, isolation_level=isolation, request_timeout=REQUEST_SECONDS
            )
            try:
                found = {
                    TopicPartitionNumber(topic=place.topic, number=place.partition): (await _answer(future)).offset
                    for place, future in futures.items()
                }
            except KafkaException as error:
                if error.args[0].code() in _STALE_LEADER:
                    await self._reload_metadata()
                raise
            if OFFSET_INVALID in found.values():  # the client raises no error if a partition has no leader
                await self._reload_metadata()
                raise OutageError(
                    "Kafka does not answer (listing the offsets of partitions): a partition has no leader",
                    server=Server.KAFKA,
                )
            return found

    async def _reload_metadata(self) -> None:
        await asyncio.to_thread((await self.client()).list_topics, timeout=REQUEST_SECONDS)


_RAISE = object()


async def _answer(future: Future[Any], *, missing_is: object = _RAISE) -> Any:  # noqa: ANN401 - untyped client
    try:
        async with asyncio.timeout(REQUEST_SECONDS + 1):
            return await asyncio.wrap_future(future)
    except KafkaException as error:
        if missing_is is not _RAISE and error.args[0].code() in _MISSING:
            return missing_is
        raise
