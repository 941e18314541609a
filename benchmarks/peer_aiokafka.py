"""A per-message worker on aiokafka and asyncpg, with a loop for each partition."""

import asyncio

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.arguments import workload_of
from benchmarks.peer_message import PerMessage, Progress, per_message, record_of
from benchmarks.workload import Workload
from unenroll.settings import WorkerSettings, read_settings
from unenroll.wire.topics import Topic

_AT_MOST = 500
_WAIT_MS = 1000


async def work(settings: WorkerSettings, workload: Workload) -> None:
    """Handle requests for ever."""
    consumer = AIOKafkaConsumer(
        settings.topic_prefix + Topic.REQUESTS,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=settings.group_id,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )
    await consumer.start()
    async with per_message(settings, workload) as worker, asyncio.TaskGroup() as tasks:
        progress = Progress()
        tasks.create_task(progress.commit_now_and_then(consumer.commit))
        for number in consumer.partitions_for_topic(settings.topic_prefix + Topic.REQUESTS):
            place = TopicPartition(settings.topic_prefix + Topic.REQUESTS, number)
            tasks.create_task(_loop(consumer, place, worker, progress=progress))


async def _loop(consumer: AIOKafkaConsumer, place: TopicPartition, worker: PerMessage, *, progress: Progress) -> None:
    """Handle what the partition holds, one message after the other, while the group gives it to us."""
    while True:
        if place not in consumer.assignment():
            await asyncio.sleep(_WAIT_MS / 10_000)
            continue
        taken = await consumer.getmany(place, timeout_ms=_WAIT_MS, max_records=_AT_MOST)
        for record in taken.get(place, ()):
            await worker.handle(record_of(record))
            progress.note(place, record.offset)


if __name__ == "__main__":
    uvloop.run(work(read_settings(WorkerSettings), workload_of(__doc__)))
