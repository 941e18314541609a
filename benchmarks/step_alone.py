"""This worker's Postgres step without Kafka: the same records, from memory, lane beside lane.

The only module here that knows the step's interface.
"""

import argparse
import asyncio
import gc
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from time import monotonic

from benchmarks.arguments import parsed
from benchmarks.expected import Fingerprint
from benchmarks.workload import PARTITIONS, Workload
from unenroll.kafka.topics import OUTPUTS
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.lanes import LaneKey, LaneRow, reposition, take_lane
from unenroll.postgres.pool import open_pool
from unenroll.settings import WorkerSettings, read_settings
from unenroll.wire.topics import CARRIES, Message, Position, Record, Topic
from unenroll.worker.batch import Batch, decode_records
from unenroll.worker.transaction import BatchTransaction

_CONNECTIONS = 8
_OBJECTS_BETWEEN_COLLECTIONS = 100_000  # as the worker has it
_LIMITS = {word.value: 1_048_588 for word in OUTPUTS}


@dataclass(kw_only=True, slots=True)
class _Lane:
    """A lane at its place; what it decided is added to `published`."""

    row: LaneRow
    step: BatchTransaction
    settings: WorkerSettings
    published: Fingerprint

    async def drain(self, records: list[Record]) -> list[Message]:
        """Decide all records, in batches as large as the worker's."""
        most, told = self.settings.batch_records, list[Message]()
        for begin in range(0, len(records), most):
            told += await self._batch(records[begin : begin + most])
        return told

    async def _batch(self, records: list[Record]) -> tuple[Message, ...]:
        accepts = {records[0].topic: CARRIES[Topic.REQUESTS]}
        (position,) = self.row.positions
        ends = (replace(position, offset=records[-1].offset + 1),)
        decisions = await self.step.decide(self.row, Batch(records=decode_records(records, accepts), ends=ends))
        self.row = replace(decisions.lane, published=decisions.lane.sequence)
        return decisions.messages


async def work(settings: WorkerSettings, workload: Workload, numbers: list[int]) -> None:
    """Decide the warm-up, say so, wait for a line, decide the rest, and print what came of it as JSON."""
    async with open_pool(settings.database_url.get_secret_value(), connections=_CONNECTIONS) as pool:
        published = Fingerprint()
        step = BatchTransaction(pool=pool, cache=DefinitionCache(), limits=_LIMITS)
        lanes = [
            _Lane(row=await _open(step, settings, number), step=step, settings=settings, published=published)
            for number in numbers
        ]
        warm = _records(settings, workload.warm_up(PARTITIONS))
        rest = _records(settings, workload.measured(PARTITIONS), begin=len(warm[0]))
        told = await asyncio.gather(*(lane.drain(warm[lane.row.partition]) for lane in lanes))
        gc.freeze()
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
        print("ready", flush=True)
        sys.stdin.readline()
        began = monotonic()
        told += await asyncio.gather(*(lane.drain(rest[lane.row.partition]) for lane in lanes))
        seconds = monotonic() - began
        decided = sum(len(rest[lane.row.partition]) for lane in lanes)
    for messages in told:
        for message in messages:
            published.add_message(message)
    print(
        json.dumps(
            {"seconds": seconds, "requests": decided, "counts": published.counts, "total": str(published.total)}
        ),
        flush=True,
    )
    sys.stdin.readline()


async def _open(step: BatchTransaction, settings: WorkerSettings, number: int) -> LaneRow:
    key = LaneKey(topic_prefix=settings.topic_prefix, group_id=settings.group_id, partition=number)
    topic = settings.topic_prefix + Topic.REQUESTS
    row = await take_lane(step.pool, key)
    lane = replace(row, positions=(Position(topic=topic, topic_id="bench", partitions=PARTITIONS, offset=0),))
    await reposition(step.pool, lane)
    return lane


def _records(
    settings: WorkerSettings, requests: Iterable[tuple[int, Message]], *, begin: int = 0
) -> dict[int, list[Record]]:
    """As the lanes would read them, by partition."""
    found: dict[int, list[Record]] = {number: [] for number in range(PARTITIONS)}
    for partition, message in requests:
        found[partition].append(
            Record(
                topic=settings.topic_prefix + message.topic,
                partition=partition,
                offset=begin + len(found[partition]),
                key=message.key,
                value=message.value,
                headers=message.headers,
            )
        )
    return found


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lanes", type=int, nargs="+", required=True)
    the_workload, chosen = parsed(arguments)
    asyncio.run(work(read_settings(WorkerSettings), the_workload, chosen.lanes))
