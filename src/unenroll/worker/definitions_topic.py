"""Reads topic `definitions` from its beginning, and stores each definition that may follow the version in force."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import Self

import asyncpg
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from unenroll.core.definitions import AcceptedDefinition, RefusedDefinition, TargetGroup
from unenroll.errors import LaneLostError, OutageError, RefusedError
from unenroll.kafka.admin import KafkaTopic, TopicPartitionNumber
from unenroll.kafka.config import LibrdkafkaCredentials, for_reading
from unenroll.kafka.consumer import as_record
from unenroll.kafka.errors import kafka_errors
from unenroll.postgres.definitions import RefusedRecord, define, save_refusal
from unenroll.settings import KafkaSettings
from unenroll.wire.decode import decode_group
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Record
from unenroll.worker.backoff import DEFINITIONS, OutageLog
from unenroll.worker.resettle import Resettlement

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
        self._lock = Lock()
        self._credentials = LibrdkafkaCredentials(settings)
        self._consumer = Consumer({**for_reading(settings, _NO_GROUP), "auto.offset.reset": "earliest"})

    async def __aenter__(self) -> Self:
        """Start at the first record."""
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

    def stored_up_to(self, ends: Mapping[TopicPartitionNumber, int]) -> bool:
        """Whether all records before these offsets were stored or refused."""
        return all(self._stored.get(partition.number, 0) >= end for partition, end in ends.items())

    async def store_new(self) -> int:
        """Store the definitions that arrive within a moment. Returns how many are now in force."""
        with kafka_errors("reading definitions"):
            poll = await asyncio.to_thread(self._poll)
        accepted = 0
        for record in poll.records:
            accepted += await self._store(record)
            self._stored[record.partition] = record.offset + 1
        self._stored.update(poll.ends)
        return accepted

    async def _store(self, record: Record) -> bool:
        group = _group(record)
        if isinstance(group, DeadLetter):
            await self._refuse(record, group)
            return False
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
        return isinstance(verdict, AcceptedDefinition)

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
            for message in self._consumer.consume(_MAX_RECORDS, _POLL_SECONDS):
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
_PUBLISH_SECONDS = 5.0  # also publishes what another worker has stored and not published


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionsFollower:
    """Stores new definitions, and publishes an event for each account that they change."""

    definitions: DefinitionsTopic
    resettlement: Resettlement

    async def catch_up(self, ends: Mapping[TopicPartitionNumber, int]) -> None:
        """Store the definitions before these offsets, so that the lanes can open. Raises OutageError and SetupError."""
        while not self.definitions.stored_up_to(ends):
            await self.definitions.store_new()
        await self.resettlement.publish_due()

    async def run(self, outages: OutageLog) -> None:
        """Store and publish for ever; waits while a server is away. Raises SetupError."""
        published_at = monotonic()
        while True:
            try:
                if await self.definitions.store_new() or monotonic() - published_at > _PUBLISH_SECONDS:
                    await self.resettlement.publish_due()
                    published_at = monotonic()
            except (OutageError, LaneLostError) as error:
                outages.begin(DEFINITIONS, error)
                self.definitions.rewind()
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                outages.end(DEFINITIONS)
