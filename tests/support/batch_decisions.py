"""Events decided as a lane does, from lines to what is kept, without any Kafka."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from unenroll.kafka.topics import OUTPUTS
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.lanes import LaneKey, LaneRow, reposition, take_lane
from unenroll.postgres.pool import open_pool
from unenroll.wire.ndjson import publish_line
from unenroll.wire.topics import CARRIES, Message, Position, Record, Topic
from unenroll.worker.batch import Batch, decode_records
from unenroll.worker.transaction import BatchTransaction

INPUTS = (Topic.FACTS, Topic.REQUESTS)


async def decide(database_url: str, *lines: str, most_bytes: int = 1_000_000, lane: int = 0) -> Mapping[str, int]:
    """How many of each kind were decided of these lines, as of the records of one batch.

    `most_bytes`: what each topic takes. `lane`: who decides.
    """
    async with open_pool(database_url) as pool:
        row = await take_lane(pool, LaneKey(topic_prefix="stage.", group_id="stage", partition=lane))
        if not row.positions:
            starts = tuple(Position(topic=word, topic_id=f"id of {word}", partitions=2, offset=0) for word in INPUTS)
            row = replace(row, positions=starts)
            await reposition(pool, row)
        step = BatchTransaction(pool=pool, cache=DefinitionCache(), limits=dict.fromkeys(OUTPUTS, most_bytes))
        return (await step.decide(row, batch_of(row, lines))).counts


def batch_of(lane: LaneRow, lines: Sequence[str]) -> Batch:
    """The lines as records that follow the positions of the lane."""
    behind = Counter({position.topic: position.offset for position in lane.positions})
    records = []
    for line in lines:
        message = publish_line(line.encode())
        assert isinstance(message, Message), message
        records.append(_record(message, lane.partition, behind[message.topic]))
        behind[message.topic] += 1
    ends = tuple(replace(position, offset=behind[position.topic]) for position in lane.positions)
    return Batch(records=decode_records(records, {word.value: CARRIES[word] for word in INPUTS}), ends=ends)


def _record(message: Message, partition: int, offset: int) -> Record:
    return Record(
        topic=message.topic,
        partition=partition,
        offset=offset,
        key=message.key,
        value=message.value,
        headers=message.headers,
    )
