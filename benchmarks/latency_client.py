"""Publishes requests at a constant rate, whatever happens, and reads their answers as others do.

A rate after the other; what each answer took is counted from when its request was handed to the client that sends it.
Prints JSON: for each rate p50, p99 and the most, in milliseconds, and the same for each of its seconds.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from threading import Thread
from time import monotonic, sleep
from uuid import uuid4

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.answers import ANSWERS
from benchmarks.arguments import parsed
from benchmarks.workload import Workload
from unenroll.settings import KafkaSettings, read_settings
from unenroll.wire.topics import Message, Topic

_PATIENCE_SECONDS = 600.0
_UNTOLD_SECONDS = 1.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Latencies:
    """Milliseconds of so many answers."""

    answers: int
    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latencies":
        """The figures of at least one duration."""
        ordered = sorted(seconds)
        p50, p99 = (ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99))
        return cls(answers=len(ordered), p50=round(p50, 1), p99=round(p99, 1), most=round(ordered[-1] * 1000, 1))


@dataclass(kw_only=True, slots=True)
class Reader:
    """When the answer to each customer's request was there. Those of others, who are not `wanted`, may come as well."""

    settings: KafkaSettings
    partitions: int
    seen: dict[bytes, float] = field(default_factory=dict)
    wanted: frozenset[bytes] | None = None

    def open(self) -> Consumer:
        """A reader of what is committed, at the ends of the topics."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.kafka_bootstrap_servers,
                "group.id": str(uuid4()),
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        places = [
            TopicPartition(self.settings.topic_prefix + word, number)
            for word in ANSWERS
            for number in range(self.partitions)
        ]
        for place in places:
            place.offset = consumer.get_watermark_offsets(place)[1]
        consumer.assign(places)
        return consumer

    @property
    def complete(self) -> bool:
        """Whether all answers that are wanted are there."""
        return self.wanted is not None and self.wanted <= self.seen.keys()

    def read(self, consumer: Consumer) -> None:
        """Read until as many answers are there as are wanted, or none comes for long."""
        deadline = monotonic() + _PATIENCE_SECONDS
        while not self.complete and monotonic() < deadline:
            message = consumer.poll(_POLL_SECONDS)
            key = None if message is None or message.error() else message.key()
            if key is not None:
                self.seen[key] = monotonic()
                deadline = self.seen[key] + _PATIENCE_SECONDS
        consumer.close()


def publish(settings: KafkaSettings, requests: Sequence[tuple[int, Message]], *, rate: float) -> list[float]:
    """When each request was handed over: at the moment that its turn came, or as soon after as could be."""
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "linger.ms": 0, "acks": "all"})
    topic = settings.topic_prefix + Topic.REQUESTS
    producer.list_topics(topic)
    began, sent = monotonic(), []
    for index, (partition, message) in enumerate(requests):
        wait = began + index / rate - monotonic()
        if wait > 0:
            sleep(wait)
        sent.append(monotonic())
        producer.produce(
            topic, key=message.key, value=message.value, headers=list(message.headers), partition=partition
        )
        producer.poll(0)
    producer.flush()
    return sent


def measure(workload: Workload, phases: Sequence[tuple[float, float]], *, partitions: int) -> list[dict[str, object]]:
    """Each phase, a rate for so many seconds, right after the other; all answers are waited for at the end."""
    settings = read_settings(KafkaSettings)
    reader = Reader(settings=settings, partitions=partitions)
    thread = Thread(target=reader.read, args=(reader.open(),))
    thread.start()
    requests = workload.measured(partitions)
    sent: list[list[tuple[bytes, float]]] = []
    for rate, seconds in phases:
        held = list(islice(requests, int(rate * seconds)))
        times = publish(settings, held, rate=rate)
        sent.append([(message.key or b"", at) for (_, message), at in zip(held, times, strict=True)])
    reader.wanted = frozenset(key for phase in sent for key, _ in phase)
    thread.join()
    if not reader.complete:
        raise SystemExit(f"{len(reader.wanted - reader.seen.keys())} of {len(reader.wanted)} requests have no answer")
    return [{"rate": rate, **_told(phase, reader.seen)} for (rate, _), phase in zip(phases, sent, strict=True)]


def _told(sent: Sequence[tuple[bytes, float]], seen: dict[bytes, float]) -> dict[str, object]:
    began = sent[0][1]
    by_second: dict[int, list[float]] = {}
    for key, at in sent:
        by_second.setdefault(int(at - began), []).append(seen[key] - at)
    counted = [took for second, held in by_second.items() if second >= _UNTOLD_SECONDS for took in held]
    each = [{"second": second, **asdict(Latencies.of(held))} for second, held in sorted(by_second.items())]
    return {**asdict(Latencies.of(counted or by_second[0])), "seconds": each}


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--partitions", type=int, required=True)
    arguments.add_argument("--phases", nargs="+", required=True, help="RATE:SECONDS")
    the_workload, chosen = parsed(arguments)
    the_phases = [(float(rate), float(seconds)) for rate, seconds in (text.split(":") for text in chosen.phases)]
    print(json.dumps(measure(the_workload, the_phases, partitions=chosen.partitions)), flush=True)
