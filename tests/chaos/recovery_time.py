"""How long it took after a fault until every lane answered again."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from uuid import uuid4

from confluent_kafka import Consumer, Message, TopicPartition

from chaos.fault_kinds import Struck
from support.arrivals import PARTITIONS

_POLL_SECONDS = 0.1


@dataclass(kw_only=True)
class Listener:
    """Reads the rejections as they become visible until it is told to stop, and notes when."""

    kafka: str
    prefix: str
    heard: list[tuple[float, int, float]] = field(default_factory=list)  # when, partition, decided when

    def recoveries(self, struck: Iterable[Struck]) -> Mapping[str, list[float]]:
        """By kind of fault, seconds from the stroke until all lanes have shown something decided after it."""
        found: dict[str, list[float]] = defaultdict(list)
        for fault in struck:
            first = self._first_since(fault.at)
            if len(first) == PARTITIONS:
                found[fault.kind].append(max(first.values()) - fault.at)
        return found

    def all_lanes_since(self, moment: float) -> bool:
        """Whether each lane has shown something that was decided after this moment."""
        return len(self._first_since(moment)) == PARTITIONS

    def _first_since(self, moment: float) -> dict[int, float]:
        first: dict[int, float] = {}
        for at, partition, decided in list(self.heard):
            if decided > moment:
                first.setdefault(partition, at)
        return first

    def run(self, stopping: Event) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self.kafka,
                "log_level": 0,
                "group.id": f"listener-{uuid4()}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "reconnect.backoff.max.ms": 200,
            }
        )
        consumer.assign([TopicPartition(f"{self.prefix}rejections", number, 0) for number in range(PARTITIONS)])
        while not stopping.is_set():
            message = consumer.poll(_POLL_SECONDS)
            if message is not None and message.error() is None:
                decided = datetime.fromisoformat(_header(message, "ce_time")).timestamp()
                self.heard.append((time.time(), message.partition() or 0, decided))
        consumer.close()


def _header(message: Message, name: str) -> str:
    found = dict(message.headers() or [])[name]
    return found.decode() if isinstance(found, bytes) else str(found)
