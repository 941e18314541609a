"""Questions to the Kafka cluster: topics and their limits, ends of partitions."""

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
from confluent_kafka.admin import (  # type: ignore[attr-defined] # exported, but not said to be
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from unenroll.errors import OutageError, Server, SetupError
from unenroll.kafka.config import REQUEST_SECONDS, ClientIdentity, for_confluent
from unenroll.kafka.connection_check import check_connection
from unenroll.kafka.errors import kafka_errors
from unenroll.settings import KafkaSettings

# By itself the client would go on asking with the leaders' epochs that it knows, for minutes.
_LED_ANEW = {
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.NOT_LEADER_FOR_PARTITION,
}
_NOT_ALONE = {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP, KafkaError.REBALANCE_IN_PROGRESS}
_MISSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}  # noqa: SLF001 - librdkafka's own name


@dataclass(frozen=True, kw_only=True, slots=True)
class KafkaTopic:
    """A topic as it is. A topic made again under the same name has another id."""

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
    """All partitions of the topics, topic after topic."""
    return [
        TopicPartitionNumber(topic=topic.name, number=number) for topic in topics for number in range(topic.partitions)
    ]


class KafkaAdmin:
    """The cluster that the settings name. Every question raises OutageError or SetupError."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._identity = ClientIdentity(settings)
        self._made: AdminClient | None = None

    async def client(self) -> AdminClient:
        """The client that answers. Raises OutageError, SetupError and UsageError where Kafka does not let us in."""
        if self._made is None:
            await check_connection(self._settings)
            with kafka_errors("setting up the client"):
                self._made = await asyncio.to_thread(AdminClient, for_confluent(self._settings))
        self._identity.renew(self._made)
        return self._made

    async def topics(self, names: Iterable[str]) -> dict[str, KafkaTopic]:
        """Those of the topics that exist, by name."""
        wanted = list(names)
        with kafka_errors("asking for topics"):
            futures = (await self.client()).describe_topics(TopicCollection(wanted), request_timeout=REQUEST_SECONDS)
            try:
                answers = {name: await _answer(future, missing_is=None) for name, future in futures.items()}
            except KafkaException:  # perhaps who answered such questions is gone, and the client waits for it
                await self._look_for_leaders()
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
        """The settings of each topic."""
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not resources:
            return {}
        with kafka_errors("asking for the settings of topics"):
            futures = (await self.client()).describe_configs(resources, request_timeout=REQUEST_SECONDS)
            return {
                resource.name: {name: entry.value for name, entry in (await _answer(future)).items()}
                for resource, future in futures.items()
            }

    async def create(self, topics: Iterable[NewTopic]) -> None:
        """Make topics; one that exists by now is left as it is."""
        wanted = list(topics)
        if not wanted:
            return
        with kafka_errors("making topics"):
            futures = (await self.client()).create_topics(wanted, request_timeout=REQUEST_SECONDS)
            for future in futures.values():
                try:
                    await _answer(future)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise

    async def ends(self, partitions: Iterable[TopicPartitionNumber]) -> dict[TopicPartitionNumber, int]:
        """The offset behind the last record that a read_committed reader sees now."""
        return await self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    async def beginnings(self, partitions: Iterable[TopicPartitionNumber]) -> dict[TopicPartitionNumber, int]:
        """The offset of the first record that is still there."""
        return await self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    async def at(
        self, partitions: Iterable[TopicPartitionNumber], instant: datetime
    ) -> dict[TopicPartitionNumber, int]:
        """The offset of the first record that says it was written then or later; the end where there is none."""
        places = list(partitions)
        spec = OffsetSpec.for_timestamp(int(instant.timestamp() * 1000))
        found, ends = await self._offsets(places, spec), await self.ends(places)
        return {place: ends[place] if found[place] < 0 else found[place] for place in places}

    async def commit(self, group_id: str, offsets: Mapping[TopicPartitionNumber, tuple[int, str]]) -> None:
        """Commit offsets, with what is written beside them, for a group that has no members.

        Raises SetupError if it has any: then nothing was committed.
        """
        wanted = [
            TopicPartition(place.topic, place.number, offset, metadata) for place, (offset, metadata) in offsets.items()
        ]
        with kafka_errors("committing offsets"):
            futures = (await self.client()).alter_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group_id, wanted)], request_timeout=REQUEST_SECONDS
            )
            for place in (await _answer(futures[group_id])).topic_partitions:
                if place.error is not None and place.error.code() in _NOT_ALONE:
                    raise SetupError(f"group {group_id} has members, so its offsets cannot be set: stop them first")
                if place.error is not None:
                    raise KafkaException(place.error)

    async def _offsets(
        self, partitions: Iterable[TopicPartitionNumber], which: OffsetSpec
    ) -> dict[TopicPartitionNumber, int]:
        wanted = {TopicPartition(partition.topic, partition.number): which for partition in partitions}
        if not wanted:
            return {}
        with kafka_errors("asking for the ends of partitions"):
            futures = (await self.client()).list_offsets(
                wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=REQUEST_SECONDS
            )
            try:
                found = {
                    TopicPartitionNumber(topic=place.topic, number=place.partition): (await _answer(future)).offset
                    for place, future in futures.items()
                }
            except KafkaException as error:
                if error.args[0].code() in _LED_ANEW:
                    await self._look_for_leaders()
                raise
            if OFFSET_INVALID in found.values():  # no error of the client's: who led a partition is gone
                await self._look_for_leaders()
                raise OutageError(
                    "Kafka does not say where partitions begin and end: one of them has no leader", server=Server.KAFKA
                )
            return found

    async def _look_for_leaders(self) -> None:
        await asyncio.to_thread((await self.client()).list_topics, timeout=REQUEST_SECONDS)


_RAISE = object()


async def _answer(future: Future[Any], *, missing_is: object = _RAISE) -> Any:  # noqa: ANN401 - untyped client
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), REQUEST_SECONDS + 1)
    except KafkaException as error:
        if missing_is is not _RAISE and error.args[0].code() in _MISSING:
            return missing_is
        raise
