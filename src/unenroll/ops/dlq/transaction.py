"""Put dead letters back in transactions, so that each goes back once. One redrive per topic prefix runs at a time.

The redrive notes the letters in Postgres under a transaction number. Then one Kafka transaction carries the records and
that number. The next redrive fences the former one, reads the number from Kafka, and settles the notes: letters up to
that transaction were put back, later ones were not.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import asyncpg
from aiokafka.partitioner import DefaultPartitioner

from unenroll.kafka.admin import KafkaTopic, TopicPartitionNumber
from unenroll.kafka.committed_offsets import last_published, metadata
from unenroll.kafka.consumer_group import committed_by
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.ops.dlq.rules import as_message
from unenroll.postgres.ledger import LetterKey
from unenroll.postgres.redrives import RedriveRow, record_redrive, redrive_lock, settle_redrives, take_redrive
from unenroll.settings import WorkerSettings
from unenroll.wire.topics import Message, Record, Topic

_REDRIVE = "redrive"

RecordsByLetter = Mapping[LetterKey, Record]
"""Records to put back, by the keys of their letters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RedriveConfig:
    """What a redrive needs.

    `inputs` are the input topics by full name; `limits` has the largest batch in bytes that each of them takes. `by` is
    the operator's name. `include_parked` also puts back parked letters.
    """

    settings: WorkerSettings
    pool: asyncpg.Pool
    inputs: Mapping[str, KafkaTopic]
    limits: Mapping[str, int]
    by: str
    include_parked: bool

    @asynccontextmanager
    async def session(self) -> AsyncIterator["RedriveSession"]:
        """A session, after the transactions of the former one are settled.

        Raises UnenrollError if another redrive is running, and OutageError.
        """
        prefix = self.settings.topic_prefix
        group = self.settings.model_copy(update={"group_id": prefix + _REDRIVE})
        async with redrive_lock(self.pool, prefix):
            row = await take_redrive(self.pool, prefix)
            producer = LaneProducer(
                self.settings,
                transactional_id=f"{prefix}:{_REDRIVE}",
                group_id=group.group_id,
                batch_bytes=min(self.limits.values()),
            )
            async with producer:  # this fences the former session, so the number in Kafka is final
                published = max(row.published, await _last_transaction(group))
                session = RedriveSession(config=self, producer=producer, row=await self.settle(row, published))
                yield session
                await self.settle(session.row, session.row.published)

    async def settle(self, row: RedriveRow, published: int) -> RedriveRow:
        """Save that the transactions up to `published` happened and later ones did not. Returns the new row."""
        return await settle_redrives(self.pool, row, list(self.inputs), published=published)


@dataclass(kw_only=True, slots=True)
class RedriveSession:
    """Puts letters back until another session takes over."""

    config: RedriveConfig
    producer: LaneProducer
    row: RedriveRow

    async def put_back(self, records: RecordsByLetter) -> int:
        """Put the records back, except those whose letter was put back or parked meanwhile. Returns how many went back.

        Raises LaneLostError if another session took over, and OutageError. After an error nobody knows whether the
        records went back, until the next session reads the number of the last transaction.
        """
        row, noted = await record_redrive(
            self.config.pool,
            self.row,
            list(records),
            by=self.config.by,
            even_parked=self.config.include_parked,
        )
        by_partition = self._by_partition(record for key, record in records.items() if key in noted)
        number = {_number_partition(row.topic_prefix): (0, metadata(row.batch))}
        await self.producer.publish_to_partitions(by_partition, number)
        self.row = replace(row, published=row.batch)
        return len(noted)

    def _by_partition(self, records: Iterable[Record]) -> dict[TopicPartitionNumber, list[Message]]:
        messages: dict[TopicPartitionNumber, list[Message]] = defaultdict(list)
        for record in records:
            messages[self._partition(record)].append(as_message(record))
        return messages

    def _partition(self, record: Record) -> TopicPartitionNumber:
        """Return the record's own partition, or the one that its key hashes to if the topic lost that partition."""
        existing = list(range(self.config.inputs[record.topic].partitions))
        if record.partition in existing:
            return TopicPartitionNumber(topic=record.topic, number=record.partition)
        return TopicPartitionNumber(topic=record.topic, number=DefaultPartitioner()(record.key, existing, existing))


async def _last_transaction(group: WorkerSettings) -> int:
    committed = await committed_by(group, [_number_partition(group.topic_prefix)])
    return last_published(0, committed.values())


def _number_partition(topic_prefix: str) -> TopicPartitionNumber:
    """Return the partition whose committed offset carries the transaction number, in a group that reads nothing."""
    return TopicPartitionNumber(topic=topic_prefix + Topic.DEAD_LETTERS, number=0)
