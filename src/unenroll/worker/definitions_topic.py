"""Reads topic `definitions` from its beginning, and stores each definition that may follow the version in force."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from types import TracebackType
from typing import Self

import asyncpg
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from unenroll.cooperative import SharedCalls
from unenroll.core.definitions import AcceptedDefinition, RefusedDefinition, TargetGroup
from unenroll.errors import LaneLostError, OutageError, RefusedError, Server
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, TopicPartitionNumber
from unenroll.kafka.config import LibrdkafkaCredentials, for_reading
from unenroll.kafka.consumer import as_record
from unenroll.kafka.errors import kafka_errors
from unenroll.postgres.definitions import (
    RefusedRecord,
    define,
    definition_positions,
    save_definition_positions,
    save_refusal,
)
from unenroll.settings import KafkaSettings
from unenroll.wire.decode import decode_group
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Record
from unenroll.worker.backoff import DEFINITIONS, OutageLog

log = structlog.get_logger()

_NO_GROUP = "unenroll-definitions"
_POLL_SECONDS = 0.2
_MAX_RECORDS = 100
_REFUSED = "definition_refused"
_TOMBSTONE = "tombstone"


@dataclass(slots=True)
class _Poll:
    """Records in their order, and the end offsets of the partitions that have no more records."""

    records: list[Record] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)


class DefinitionsTopic:
    """The consumer of one worker for topic `definitions`. All methods raise OutageError and SetupError."""

    def __init__(self, settings: KafkaSettings, pool: asyncpg.Pool, topic: KafkaTopic) -> None:
        self._pool = pool
        self._topic = topic
        self._stored = dict.fromkeys(range(topic.partitions), 0)  # the next offset to store, by partition
        self._progress = asyncio.Condition()
        self._lock = Lock()
        self._credentials = LibrdkafkaCredentials(settings)
        self._consumer = Consumer({**for_reading(settings, _NO_GROUP), "auto.offset.reset": "earliest"})

    async def __aenter__(self) -> Self:
        """Start behind the records that a worker has stored in this database."""
        saved = await definition_positions(self._pool, self._topic.topic_id)
        self._stored.update({number: offset for number, offset in saved.items() if number in self._stored})
        self.rewind()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the consumer."""
        await asyncio.to_thread(self._close)

    @property
    def partitions(self) -> list[TopicPartitionNumber]:
        """All partitions of the topic."""
        return [TopicPartitionNumber(topic=self._topic.name, number=number) for number in self._stored]

    def rewind(self) -> None:
        """Go back to the first record that was not stored."""
        self._consumer.assign(
            [TopicPartition(self._topic.name, number, offset) for number, offset in self._stored.items()]
        )

    def add_partitions(self, total: int) -> None:
        """Read the partitions that were added to the topic since it has so many."""
        added = range(len(self._stored), total)
        if added:
            log.info("definitions_partitions_added", partitions=total)
            self._stored.update(dict.fromkeys(added, 0))
            self.rewind()

    def stored_up_to(self, ends: Mapping[TopicPartitionNumber, int]) -> bool:
        """Whether all records before these offsets were stored or refused."""
        return all(self._stored.get(partition.number, 0) >= end for partition, end in ends.items())

    async def wait_for(self, ends: Mapping[TopicPartitionNumber, int]) -> None:
        """Return when all records before these offsets are stored or refused. Somebody else calls `store_new`."""
        async with self._progress:
            await self._progress.wait_for(lambda: self.stored_up_to(ends))

    async def store_new(self) -> None:
        """Store the definitions that arrive within a moment."""
        with kafka_errors("reading definitions"):
            poll = await asyncio.to_thread(self._poll)
        for record in poll.records:
            await self._store(record)
            self._stored[record.partition] = record.offset + 1
        self._stored.update(poll.ends)
        if poll.records:
            await save_definition_positions(self._pool, self._topic.topic_id, self._stored)
        async with self._progress:
            self._progress.notify_all()

    async def _store(self, record: Record) -> None:
        group = _group(record)
        if isinstance(group, DeadLetter):
            await self._refuse(record, group)
            return
        try:
            verdict = await define(self._pool, group, settle_again=True)
        except RefusedError as refused:
            verdict = RefusedDefinition(detail=str(refused))
        if isinstance(verdict, RefusedDefinition):
            await self._refuse(record, DeadLetter(reason=_REFUSED, detail=verdict.detail), group=group)
        if isinstance(verdict, AcceptedDefinition):
            log.info(
                "definition_stored", group=group.group_id, version=group.version, cycles=len(group.calendar.cycles)
            )

    async def _refuse(self, record: Record, refusal: DeadLetter, *, group: TargetGroup | None = None) -> None:
        log.warning("definition_refused", offset=record.offset, reason=refusal.reason, detail=refusal.detail)
        await save_refusal(
            self._pool,
            RefusedRecord(
                topic_id=self._topic.topic_id,
                partition=record.partition,
                offset=record.offset,
                group_id=None if group is None else group.group_id,
                version=None if group is None else group.version,
                reason=refusal.reason,
                detail=refusal.detail,
            ),
        )

    def _poll(self) -> _Poll:
        poll = _Poll()
        with self._lock:
            self._credentials.refresh(self._consumer)
            # `consume` waits until it has as many as it may take: the first one ends the wait.
            first = self._consumer.consume(1, _POLL_SECONDS)
            for message in [*first, *self._consumer.consume(_MAX_RECORDS, 0)] if first else ():
                error = message.error()
                if error is None:
                    poll.records.append(as_record(message))
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name
                    poll.ends[message.partition() or 0] = message.offset() or 0
                else:
                    raise KafkaException(error)
        return poll

    def _close(self) -> None:
        with self._lock:  # a thread may still read after its task was cancelled
            self._consumer.close()


def _group(record: Record) -> TargetGroup | DeadLetter:
    if record.value is None:
        return DeadLetter(
            reason=_TOMBSTONE, detail="a definition cannot be deleted: send a new version that is inactive"
        )
    decoded = decode_group(record)
    return decoded if isinstance(decoded, DeadLetter) else decoded.group


_RETRY_SECONDS = 1.0
_LOOK_SECONDS = 10.0


class DefinitionsFollower:
    """Stores new definitions, and lets the lanes wait for those that are on the topic."""

    def __init__(self, definitions: DefinitionsTopic, topic: KafkaTopic, cluster: KafkaAdmin) -> None:
        self._definitions = definitions
        self._topic = topic
        self._cluster = cluster
        self._looks = SharedCalls(self._look)

    async def catch_up(self) -> None:
        """Store the definitions that are on the topic, so that the lanes can open. Raises OutageError, SetupError."""
        ends = await self._cluster.ends(self._definitions.partitions)
        while not self._definitions.stored_up_to(ends):
            await self._definitions.store_new()

    async def run(self, outages: OutageLog) -> None:
        """Store for ever; waits while a server is away. Raises SetupError."""
        while True:
            try:
                await self._definitions.store_new()
            except (OutageError, LaneLostError) as error:
                outages.begin(DEFINITIONS, error)
                self._definitions.rewind()
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                outages.end(DEFINITIONS)

    async def wait_for_all(self) -> None:
        """Return when all definitions that are on the topic now are stored. Raises OutageError and SetupError.

        Lanes that ask at the same time share one request to Kafka.
        """
        await self._looks.call()

    async def _look(self) -> None:
        known = self._definitions.partitions
        found, ends = await asyncio.gather(self._cluster.topics([self._topic.name]), self._cluster.ends(known))
        if self._topic.name not in found:
            raise OutageError(f"Kafka has no topic {self._topic.name} any more", server=Server.KAFKA)
        self._definitions.add_partitions(found[self._topic.name].partitions)
        if len(self._definitions.partitions) > len(known):
            ends = await self._cluster.ends(self._definitions.partitions)
        with kafka_errors("reading definitions"):
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._definitions.wait_for(ends)
