"""The time of the oldest unprocessed record of each partition: one record of each is read, by no group."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from time import monotonic

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from unenroll.settings import WorkerSettings
from unenroll.stream.clients import REQUEST_SECONDS, for_reading
from unenroll.stream.cluster import Partition
from unenroll.stream.outage import kafka_errors
from unenroll.stream.stretch import time_of

_POLL_SECONDS = 0.2
_OF_EACH = {
    # One record of each partition is wanted, not what is behind it.
    "queued.min.messages": 1,
    "max.partition.fetch.bytes": 65_536,
    "fetch.queue.backoff.ms": 10,  # the client would rest for a second after each partition: it has records to read
}


async def oldest_records(settings: WorkerSettings, starts: Mapping[Partition, int]) -> dict[Partition, datetime]:
    """The time of the first visible record from each offset on, where there is one. Raises OutageError, SetupError.

    It takes no longer than Kafka may take for an answer. Nothing is committed and no group is joined.
    """
    if not starts:
        return {}
    with kafka_errors("reading the oldest unprocessed records"):
        return await asyncio.to_thread(_read, settings, starts)


def _read(settings: WorkerSettings, starts: Mapping[Partition, int]) -> dict[Partition, datetime]:
    reading = for_reading(settings, settings.group_id)  # for which its rights are there
    consumer = Consumer({**reading, **_OF_EACH})
    try:
        consumer.assign([TopicPartition(place.topic, place.number, offset) for place, offset in starts.items()])
        return _first_of_each(consumer, set(starts))
    finally:
        consumer.close()


def _first_of_each(consumer: Consumer, wanted: set[Partition]) -> dict[Partition, datetime]:
    found: dict[Partition, datetime] = {}
    deadline = monotonic() + REQUEST_SECONDS
    while wanted:
        if monotonic() > deadline:
            raise TimeoutError
        message = consumer.poll(_POLL_SECONDS)
        if message is None:
            continue
        place = Partition(topic=message.topic() or "", number=message.partition() or 0)
        if place not in wanted:
            continue
        time = _time(message)
        if time is not None:
            found[place] = time
        wanted.discard(place)
        consumer.incremental_unassign([TopicPartition(place.topic, place.number)])
    return found


def _time(message: Message) -> datetime | None:
    """When the record says it was written; None at the end of the partition, and for a record without a time."""
    error = message.error()
    if error is not None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name
            return None
        raise KafkaException(error)
    return time_of(message)
