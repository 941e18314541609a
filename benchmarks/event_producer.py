"""Publishes events that do not belong to a workload."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from confluent_kafka import Producer

from unenroll.wire.cloudevents import binary_headers
from unenroll.wire.topics import TOPIC_OF, full_type

_FLUSH_SECONDS = 30.0


@dataclass(kw_only=True)
class EventProducer:
    """Publishes events of this source to the topics with this prefix."""

    kafka: str
    prefix: str
    source: str
    _producer: Producer = field(init=False)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        """Connect to Kafka."""
        self._producer = Producer({"bootstrap.servers": self.kafka, "enable.idempotence": True, "log_level": 0})

    def send(self, name: str, data: dict[str, Any], *, time: datetime, partition: int = -1) -> str:
        """Publish an event, keyed by its customer or its group. Returns its id."""
        event_id = f"{name} {next(self._numbers)}"
        self._producer.produce(
            self.prefix + TOPIC_OF[name],
            key=str(data.get("customerId", data.get("targetGroupId"))),
            value=json.dumps(data),
            headers=list(binary_headers(full_type(name), event_id, source=self.source, time=time)),
            partition=partition,
        )
        self._producer.poll(0)
        return event_id

    def flush(self) -> None:
        """Wait until Kafka has acknowledged all events."""
        self._producer.flush(_FLUSH_SECONDS)
