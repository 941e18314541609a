"""Measures the time from a fault until every lane answers again."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from uuid import uuid4

from confluent_kafka import Consumer, Message, TopicPartition

from chaos.fault_kinds import AppliedFault
from support.arrivals import PARTITIONS

_POLL_SECONDS = 0.1


@dataclass(kw_only=True)
class Listener:
    """Reads the rejections as they become visible, and notes when, until the event is set."""

    kafka: str
    prefix: str
    rejections: list[tuple[float, int, float]] = field(default_factory=list)  # time seen, partition, time decided

    def recoveries(self, struck: Iterable[AppliedFault]) -> Mapping[str, list[float]]:
        """The seconds from each fault until all lanes had published something decided after it, by kind of fault."""
        found: dict[str, list[float]] = defaultdict(list)
        for fault in struck:
            first = self._first_since(fault.at)
            if len(first) == PARTITIONS:
                found[fault.kind].append(max(first.values()) - fault.at)
        return found

    def all_lanes_since(self, moment: float) -> bool:
        """Whether each lane has published something that was decided after this moment."""
        return len(self._first_since(moment)) == PARTITIONS

    def _first_since(self, moment: float) -> dict[int, float]:
        first: dict[int, float] = {}
        for at, partition, decided in list(self.rejections):
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
                self.rejections.append((time.time(), message.partition() or 0, decided))
        consumer.close()


def _header(message: Message, name: str) -> str:
    found = dict(message.headers() or [])[name]
    return found.decode() if isinstance(found, bytes) else str(found)
