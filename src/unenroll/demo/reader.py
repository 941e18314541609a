"""Reads the published events with an independent Kafka client, without the worker's own code for reading."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from unenroll.errors import OutageError, Server

_DEADLINE_SECONDS = 30.0
_POLL_SECONDS = 0.5
_FETCH_MS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class VisibleRecord:
    """A record that a consumer with `isolation.level=read_committed` gets."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str | bytes | None]

    def header(self, name: str) -> str:
        """The header's text, empty if there is none."""
        value = self.headers.get(name) or ""
        return value if isinstance(value, str) else value.decode("utf-8", "replace")


def read_all(
    bootstrap_servers: str, topics: Collection[str], *, seconds: float = _DEADLINE_SECONDS
) -> list[VisibleRecord]:
    """Wait until every transaction in the topics has ended, and return all visible records.

    Raises OutageError if Kafka fails, or if that takes longer than `seconds`.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"unenroll-demo-{uuid4()}",
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": _FETCH_MS,
            "log_level": 0,
        }
    )
    try:
        return list(_to_the_end(consumer, topics, seconds=seconds))
    except KafkaException as error:
        raise OutageError(
            f"Kafka failed while the demo read the answers: {error.args[0].str()}", server=Server.KAFKA
        ) from error
    finally:
        consumer.close()


def _to_the_end(consumer: Consumer, topics: Collection[str], *, seconds: float) -> Iterator[VisibleRecord]:
    unfinished = _partitions(consumer, topics)
    consumer.assign([TopicPartition(topic, number, 0) for topic, number in unfinished])
    deadline = monotonic() + seconds
    while unfinished:
        if monotonic() > deadline:
            raise OutageError(f"Kafka did not end its transactions within {seconds:.0f} s", server=Server.KAFKA)
        message = consumer.poll(_POLL_SECONDS)
        if message is None:
            continue
        error = message.error()
        if error is None:
            yield _record(message)
        elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name
            raise KafkaException(error)
        elif _at_end(consumer, message):
            unfinished.discard((message.topic() or "", message.partition() or 0))


def _partitions(consumer: Consumer, topics: Collection[str]) -> set[tuple[str, int]]:
    metadata = consumer.list_topics(timeout=_DEADLINE_SECONDS).topics
    return {(topic, number) for topic in topics for number in metadata[topic].partitions}


def _at_end(consumer: Consumer, message: Message) -> bool:
    """Whether the partition has no record after this point, not even one of an open transaction."""
    partition = TopicPartition(message.topic() or "", message.partition() or 0)
    _, end = consumer.get_watermark_offsets(partition, cached=True)
    return (message.offset() or 0) >= end


def _record(message: Message) -> VisibleRecord:
    return VisibleRecord(
        topic=message.topic() or "",
        key=message.key(),
        value=message.value(),
        headers=dict(message.headers() or []),
    )
