"""Produces records while Kafka may be down: it repeats each one until the broker acknowledges it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Message, Producer

from checker.history import Sent
from support.topics import NewRecord

_GIVE_UP_MS = 5_000
_FLUSH_SECONDS = 30.0
_DEADLINE_SECONDS = 120.0


@dataclass(kw_only=True)
class Stream:
    """What it produced so far. A record without an acknowledgment is sent again after it."""

    kafka: str
    prefix: str
    sent: list[Sent] = field(default_factory=list)

    def put(self, word: str, records: Iterable[NewRecord]) -> None:
        """Return when the broker has acknowledged all records. Fails after two minutes."""
        left = list(records)
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while left:
            assert time.monotonic() < deadline, f"{len(left)} records of {word} were not acknowledged"
            left = self._once(word, left)

    def _once(self, word: str, records: list[NewRecord]) -> list[NewRecord]:
        """Send the records and return those without an acknowledgment."""
        unknown: list[NewRecord] = []
        producer = Producer(
            {
                "bootstrap.servers": self.kafka,
                "log_level": 0,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "message.timeout.ms": _GIVE_UP_MS,
                "reconnect.backoff.max.ms": 500,
            }
        )
        for record in records:
            producer.produce(
                self.prefix + word,
                value=record.value,
                key=record.key,
                headers=record.headers,
                partition=record.partition,
                on_delivery=self._noting(record, unknown),
            )
            producer.poll(0)
        assert producer.flush(_FLUSH_SECONDS) == 0
        return unknown

    def _noting(self, record: NewRecord, unknown: list[NewRecord]) -> Callable[[KafkaError | None, Message], None]:
        def note(error: KafkaError | None, message: Message) -> None:
            topic = message.topic() or ""
            spot = None if error else (topic, message.partition() or 0, message.offset() or 0)
            self.sent.append(Sent(topic=topic, record=record, spot=spot))
            if error:
                unknown.append(record)

        return note
