"""Committed offsets with their metadata, read again and again while the workers work and the servers come and go."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import TypeVar

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined] # exported, but not said to be

from checker.history import End, Partition, Sample
from checker.offset_fetch import UnstableError, committed
from support.topics import OUTPUTS
from unenroll.kafka.topics import INPUTS

UNAVAILABLE = (KafkaException, OSError, UnstableError)
"""The broker is away, or a commit is under way."""

Told = TypeVar("Told")

_ASK_SECONDS = 3.0
_PAUSE_SECONDS = 0.25
_DEADLINE_SECONDS = 60.0
_PARTITIONS = 4
_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A group and the topics of its prefix, as an independent client asks for them."""

    kafka: str
    prefix: str
    group_id: str

    def sample(self) -> Sample:
        """One sample. Raises one of `NO_TELLING` while there is none, as in the middle of a commit."""
        admin = AdminClient({"bootstrap.servers": self.kafka, "log_level": 0})
        outputs = self._places(OUTPUTS)
        stable = _ends(admin, outputs, IsolationLevel.READ_COMMITTED)
        answer = committed(_coordinator(admin, self.group_id), self.group_id)
        return Sample(stable=stable, committed=answer, high=_ends(admin, outputs, IsolationLevel.READ_UNCOMMITTED))

    def ends(self) -> Mapping[Partition, End]:
        """Where all partitions end, of inputs and outputs. Raises one of `NO_TELLING`."""
        admin = AdminClient({"bootstrap.servers": self.kafka, "log_level": 0})
        places = self._places((*INPUTS, *OUTPUTS))
        stable = _ends(admin, places, IsolationLevel.READ_COMMITTED)
        high = _ends(admin, places, IsolationLevel.READ_UNCOMMITTED)
        return {place: End(stable=stable[place], high=high[place]) for place in places}

    def _places(self, words: Iterable[str]) -> list[Partition]:
        return [(self.prefix + word, number) for word in words for number in range(_PARTITIONS)]


@dataclass(kw_only=True)
class Sampler:
    """Keeps samples until it is told to stop. What could not be read is left out."""

    watched: Watched
    samples: list[Sample] = field(default_factory=list)

    def run(self, stopping: Event) -> None:
        while not stopping.wait(_PAUSE_SECONDS):
            try:
                self.samples.append(self.watched.sample())
            except UNAVAILABLE:
                continue


def ask_until_answered(ask: Callable[[], Told]) -> Told:
    """What is told, once there is telling. Raises one of `NO_TELLING` after a minute without."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while True:
        try:
            return ask()
        except UNAVAILABLE:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)  # between two looks, with a deadline


def _coordinator(admin: AdminClient, group_id: str) -> str:
    """Where the broker answers that keeps what the group has committed."""
    found = admin.describe_consumer_groups([group_id], request_timeout=_ASK_SECONDS)[group_id].result().coordinator
    return f"{found.host}:{found.port}"


def _ends(admin: AdminClient, places: Iterable[Partition], isolation: IsolationLevel) -> dict[Partition, int]:
    asked = {TopicPartition(*place): _LATEST for place in places}
    answer = admin.list_offsets(asked, isolation_level=isolation, request_timeout=_ASK_SECONDS)
    return {(place.topic, place.partition): _known(future.result().offset) for place, future in answer.items()}


def _known(offset: int) -> int:
    if offset < 0:
        raise UnstableError("the partition has no leader")
    return offset
