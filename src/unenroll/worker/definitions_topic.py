"""Topic `definitions`, read from its beginning by every worker: what may follow the version in force is kept."""

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

from unenroll.core.definitions import Accepted, RefusedDefinition, TargetGroup
from unenroll.errors import LaneLostError, OutageError, RefusedError
from unenroll.kafka.admin import KafkaTopic, TopicPartitionNumber
from unenroll.kafka.config import ClientIdentity, for_reading
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
_MOST_AT_ONCE = 100
_REFUSED = "definition_refused"
_TOMBSTONE = "tombstone"


@dataclass(slots=True)
class _Read:
    """Records in order, and the partitions that were read to their end: where that is."""

    records: list[Record] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)


class DefinitionsTopic:
    """The topic as one worker follows it. Raises OutageError and SetupError."""

    def __init__(self, settings: KafkaSettings, pool: asyncpg.Pool, topic: KafkaTopic) -> None:
        self._pool = pool
        self._topic = topic
        self._next = dict.fromkeys(range(topic.partitions), 0)  # what is kept already, not what was read
        self._in_use = Lock()
        self._identity = ClientIdentity(settings)
        self._consumer = Consumer({**for_reading(settings, _NO_GROUP), "auto.offset.reset": "earliest"})

    async def __aenter__(self) -> Self:
        """Begin with the first record."""
        self.read_again()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop reading."""
        await asyncio.to_thread(self._close)

    @property
    def partitions(self) -> list[TopicPartitionNumber]:
        """All partitions of the topic."""
        return [TopicPartitionNumber(topic=self._topic.name, number=number) for number in self._next]

    def read_again(self) -> None:
        """Read on behind what was kept: what was read since is read once more."""
        self._consumer.assign([TopicPartition(self._topic.name, number, at) for number, at in self._next.items()])

    def kept_up_to(self, ends: Mapping[TopicPartitionNumber, int]) -> bool:
        """Whether everything before these offsets was kept or refused."""
        return all(self._next.get(place.number, 0) >= end for place, end in ends.items())

    async def follow(self) -> int:
        """Keep what comes within a moment, perhaps nothing. Returns how many definitions are in force by that."""
        with kafka_errors("reading definitions"):
            read = await asyncio.to_thread(self._read)
        accepted = 0
        for record in read.records:
            accepted += await self._keep(record)
            self._next[record.partition] = record.offset + 1
        self._next.update(read.ends)
        return accepted

    async def _keep(self, record: Record) -> bool:
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
        if isinstance(verdict, Accepted):
            log.info(
                "definition_stored", group=group.group_id, version=group.version, cycles=len(group.calendar.cycles)
            )
        return isinstance(verdict, Accepted)

    async def _refuse(self, record: Record, why: DeadLetter, *, group: TargetGroup | None = None) -> None:
        log.warning("definition_refused", offset=record.offset, reason=why.reason, detail=why.detail)
        await save_refusal(
            self._pool,
            RefusedRecord(
                topic_id=self._topic.topic_id,
                partition=record.partition,
                offset=record.offset,
                group_id=None if group is None else group.group_id,
                version=None if group is None else group.version,
                reason=why.reason,
                detail=why.detail,
            ),
        )

    def _read(self) -> _Read:
        read = _Read()
        with self._in_use:
            self._identity.renew(self._consumer)
            for message in self._consumer.consume(_MOST_AT_ONCE, _POLL_SECONDS):
                error = message.error()
                if error is None:
                    read.records.append(as_record(message))
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name
                    read.ends[message.partition() or 0] = message.offset() or 0
                else:
                    raise KafkaException(error)
        return read

    def _close(self) -> None:
        with self._in_use:  # a thread that was left behind may still be reading
            self._consumer.close()


def _group(record: Record) -> TargetGroup | DeadLetter:
    if record.value is None:
        return DeadLetter(
            reason=_TOMBSTONE, detail="a definition cannot be taken back: send a version that is inactive"
        )
    decoded = decode_group(record)
    return decoded if isinstance(decoded, DeadLetter) else decoded.group


_AGAIN_SECONDS = 1.0
_LEFT_BEHIND_SECONDS = 5.0  # how long accounts may wait that a worker did not get to tell of


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionsFollower:
    """One worker's."""

    definitions: DefinitionsTopic
    again: Resettlement

    async def catch_up(self, ends: Mapping[TopicPartitionNumber, int]) -> None:
        """Keep all that is there before the first lane opens. Raises OutageError and SetupError."""
        while not self.definitions.kept_up_to(ends):
            await self.definitions.follow()
        await self.again.tell()

    async def go_on(self, waiting: OutageLog) -> None:
        """Follow for ever, waiting where a server is away. Raises SetupError."""
        told = monotonic()
        while True:
            try:
                if await self.definitions.follow() or monotonic() - told > _LEFT_BEHIND_SECONDS:
                    await self.again.tell()
                    told = monotonic()
            except (OutageError, LaneLostError) as trouble:
                waiting.begin(DEFINITIONS, trouble)
                self.definitions.read_again()
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                waiting.end(DEFINITIONS)
