"""A per-message worker on FastStream and asyncpg: as many consumers as partitions, messages acknowledged by hand."""

import asyncio
from dataclasses import dataclass
from typing import Any

import uvloop
from aiokafka import TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from benchmarks.arguments import workload_of
from benchmarks.peer_message import Progress, per_message, record_of
from benchmarks.workload import Workload
from unenroll.settings import WorkerSettings, read_settings
from unenroll.wire.topics import Record, Topic

_CONSUMERS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class _Arrived:
    record: Record
    consumer: Any


async def work(settings: WorkerSettings, workload: Workload) -> None:
    """Handle requests for ever."""
    broker = KafkaBroker(settings.kafka_bootstrap_servers, logger=None, apply_types=False)
    progresses: dict[Any, Progress] = {}
    async with per_message(settings, workload) as worker, asyncio.TaskGroup() as tasks:

        async def handle(arrived: _Arrived) -> None:
            await worker.handle(arrived.record)
            if arrived.consumer not in progresses:
                progresses[arrived.consumer] = Progress()
                tasks.create_task(progresses[arrived.consumer].commit_now_and_then(arrived.consumer.commit))
            place = TopicPartition(arrived.record.topic, arrived.record.partition)
            progresses[arrived.consumer].note(place, arrived.record.offset)

        subscriber = broker.subscriber(
            settings.topic_prefix + Topic.REQUESTS,
            group_id=settings.group_id,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=100,
            ack_policy=AckPolicy.MANUAL,
            max_workers=_CONSUMERS,
            decoder=_arrived,
        )
        subscriber(handle)
        await broker.start()
        await asyncio.Event().wait()


async def _arrived(message: KafkaMessage) -> _Arrived:
    return _Arrived(record=record_of(message.raw_message), consumer=message.consumer)


if __name__ == "__main__":
    uvloop.run(work(read_settings(WorkerSettings), workload_of(__doc__)))
