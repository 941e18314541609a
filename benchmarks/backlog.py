"""Requests put on their topic in one transaction: nobody can read any of them before the moment it is committed."""

from collections.abc import Iterable
from uuid import uuid4

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Delivered

from unenroll.wire.topics import Message

_TRANSACTION_MS = 900_000
_QUEUE = 1_000_000
_SECONDS = 600.0


class Backlog:
    """Requests that become visible all at once. `ends` has the offset behind the last of each partition."""

    def __init__(self, kafka: str, topic: str) -> None:
        self.ends: dict[int, int] = {}
        self._topic = topic
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "transactional.id": str(uuid4()),
                "transaction.timeout.ms": _TRANSACTION_MS,
                "linger.ms": 20,
                "queue.buffering.max.messages": _QUEUE,
                "batch.size": 500_000,
                "log_level": 0,
            }
        )
        self._producer.init_transactions(_SECONDS)

    def put(self, requests: Iterable[tuple[int, Message]]) -> None:
        """Send them to the partitions beside them, not to be seen yet."""
        self._producer.begin_transaction()
        for partition, message in requests:
            self._send(partition, message)
        self._producer.flush(_SECONDS)

    def show(self) -> None:
        """Make them visible."""
        self._producer.commit_transaction(_SECONDS)

    def _send(self, partition: int, message: Message) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    key=message.key,
                    value=message.value,
                    headers=list(message.headers),
                    partition=partition,
                    on_delivery=self._note,
                )
            except BufferError:
                self._producer.poll(1)
            else:
                self._producer.poll(0)
                return

    def _note(self, error: KafkaError | None, message: Delivered) -> None:
        if error is not None:
            raise SystemExit(f"a request could not be published: {error}")
        partition, offset = message.partition(), message.offset()
        if partition is not None and offset is not None:
            self.ends[partition] = max(offset + 1, self.ends.get(partition, 0))
