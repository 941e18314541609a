"""Who may put dead letters back: one at a time for a topic prefix, and nothing of it is done twice.

What is to be put back is noted in Postgres under the number of a transaction, then one Kafka transaction carries the
records and that number. Whoever comes next ends what was under way, reads the number, and knows which notes came true.
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
from unenroll.postgres.redrives import LetterKey, RedriveRow, note_redrive, only_redrive, settle_redrives, take_redrive
from unenroll.settings import WorkerSettings
from unenroll.wire.topics import Message, Record
from unenroll.wire.topics import Topic as Word

_NAME = "redrive"

Outgoing = Mapping[LetterKey, Record]
"""Records to put back, by the letters that keep them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RedriveConfig:
    """What it takes to put letters back. `inputs` are the topics that take them, by full name, `limits` their bytes.

    `by` is who does it; `even_parked`: also letters that somebody parked.
    """

    settings: WorkerSettings
    pool: asyncpg.Pool
    inputs: Mapping[str, KafkaTopic]
    limits: Mapping[str, int]
    by: str
    even_parked: bool

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["RedriveSession"]:
        """The office, once what a former one left is settled. Raises UnenrollError if it is taken, OutageError."""
        prefix = self.settings.topic_prefix
        group = self.settings.model_copy(update={"group_id": prefix + _NAME})
        async with only_redrive(self.pool, prefix):
            row = await take_redrive(self.pool, prefix)
            producer = LaneProducer(
                self.settings,
                transactional_id=f"{prefix}:{_NAME}",
                group_id=group.group_id,
                batch_bytes=min(self.limits.values()),
            )
            async with producer:  # from here on, no former one can commit anything more
                happened = max(row.published, await _last_transaction(group))
                office = RedriveSession(desk=self, producer=producer, row=await self.settle(row, happened))
                yield office
                await self.settle(office.row, office.row.published)

    async def settle(self, row: RedriveRow, published: int) -> RedriveRow:
        """Keep what is known of the transactions that happened."""
        return await settle_redrives(self.pool, row, list(self.inputs), published=published)


@dataclass(kw_only=True, slots=True)
class RedriveSession:
    """The right to put letters back, while nobody takes over."""

    desk: RedriveConfig
    producer: LaneProducer
    row: RedriveRow

    async def put_back(self, outgoing: Outgoing) -> int:
        """Put the records on their topics, those that nobody has put back or parked meanwhile. Returns how many.

        After an exception nobody knows whether they are there, until the next one looks.
        """
        row, noted = await note_redrive(
            self.desk.pool, self.row, list(outgoing), by=self.desk.by, even_parked=self.desk.even_parked
        )
        held = self._placed(record for key, record in outgoing.items() if key in noted)
        await self.producer.publish_there(held, {_note(row.topic_prefix): (0, metadata(row.batch))})
        self.row = replace(row, published=row.batch)
        return len(noted)

    def _placed(self, records: Iterable[Record]) -> dict[TopicPartitionNumber, list[Message]]:
        held: dict[TopicPartitionNumber, list[Message]] = defaultdict(list)
        for record in records:
            held[self._place(record)].append(as_message(record))
        return held

    def _place(self, record: Record) -> TopicPartitionNumber:
        """Where the record lay before, or, in a topic that has fewer partitions now, where its key belongs."""
        there = list(range(self.desk.inputs[record.topic].partitions))
        number = record.partition if record.partition in there else DefaultPartitioner()(record.key, there, there)
        return TopicPartitionNumber(topic=record.topic, number=number)


async def _last_transaction(group: WorkerSettings) -> int:
    return last_published(0, (await committed_by(group, [_note(group.topic_prefix)])).values())


def _note(topic_prefix: str) -> TopicPartitionNumber:
    """Where the transactions' numbers are committed, in a group of their own that reads nothing."""
    return TopicPartitionNumber(topic=topic_prefix + Word.DEAD_LETTERS, number=0)
