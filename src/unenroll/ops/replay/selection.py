"""What of all records or decisions is to be replayed. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from unenroll.errors import SetupError, UsageError
from unenroll.kafka.admin import KafkaAdmin, partitions_of
from unenroll.kafka.topics import INPUTS
from unenroll.wire.topics import Topic

_OFFSETS = re.compile(r"(?P<topic>facts|requests)/(?P<partition>\d{1,9}):(?P<first>\d{1,18})-(?P<last>\d{1,18})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetRange:
    """From the first to the last offset of a partition, both included. `last` None: to its end."""

    first: int
    last: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class InputPartition:
    """One partition of an input topic, by the topic's word."""

    topic: Topic
    partition: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplaySelection:
    """What is chosen; nothing said chooses everything.

    `since` and `until` (not included) are about when a record came to its topic, in a file about the event's `time`,
    of decisions about when they were made.
    """

    offsets: Mapping[InputPartition, OffsetRange] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    customers: frozenset[int] = frozenset()
    targets: frozenset[int] = frozenset()

    def at(self, instant: datetime | None) -> bool:
        """Whether something of this time is chosen. What tells no time is chosen only where none is asked for."""
        if instant is None:
            return self.since is None and self.until is None
        return (self.since is None or self.since <= instant) and (self.until is None or instant < self.until)

    def of(self, customer_id: int, target_id: int) -> bool:
        """Whether something of this account is chosen."""
        return self.every_customer(customer_id) and (not self.targets or target_id in self.targets)

    def every_customer(self, customer_id: int) -> bool:
        """Whether something of this customer may be chosen."""
        return not self.customers or customer_id in self.customers

    @property
    def of_accounts(self) -> bool:
        """Whether only some accounts are chosen: then nothing that names none."""
        return bool(self.customers or self.targets)


def read_offsets(texts: list[str]) -> dict[InputPartition, OffsetRange]:
    """The ranges in texts like `requests/0:100-199` or `facts/3:17-`. Raises UsageError."""
    found: dict[InputPartition, OffsetRange] = {}
    for text in texts:
        told = _OFFSETS.fullmatch(text)
        if told is None:
            raise UsageError(
                f"--offsets {text}: must be like requests/0:100-199, or requests/0:100- for all from there on"
            )
        place = InputPartition(topic=Topic(told["topic"]), partition=int(told["partition"]))
        if place in found:
            raise UsageError(f"--offsets names {place.topic}/{place.partition} twice")
        offsets = OffsetRange(first=int(told["first"]), last=int(told["last"]) if told["last"] else None)
        if offsets.last is not None and offsets.last < offsets.first:
            raise UsageError(f"--offsets {text}: ends before it begins")
        found[place] = offsets
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionRange:
    """Offsets of a partition: `first` is read, `end` is not."""

    first: int
    end: int


Ranges = Mapping[InputPartition, PartitionRange]


async def ranges(cluster: KafkaAdmin, prefix: str, selection: ReplaySelection) -> Ranges:
    """The ranges that hold something, as of now. Raises SetupError for what is not there, and OutageError."""
    names = {prefix + word: word for word in INPUTS}
    topics = await cluster.topics(names)
    missing = [name for name in names if name not in topics]
    if len(missing) == len(names) or any(place.topic == names[name] for place in selection.offsets for name in missing):
        raise SetupError(f"Kafka has no topic {', '.join(missing)}, so there is nothing to replay")
    partitions = partitions_of(topic for _, topic in sorted(topics.items()))
    places = {one: InputPartition(topic=names[one.topic], partition=one.number) for one in partitions}
    firsts, ends = await cluster.beginnings(places), await cluster.ends(places)
    held = {places[place]: PartitionRange(first=firsts[place], end=ends[place]) for place in places}
    if selection.offsets:
        return {place: _cut(place, asked, held.get(place)) for place, asked in selection.offsets.items()}
    if selection.since is not None:
        since = await cluster.at(places, selection.since)
        held = {places[place]: _from(held[places[place]], since[place]) for place in places}
    return {place: one for place, one in held.items() if one.first < one.end}


def read_before(found: Ranges, committed: Mapping[InputPartition, int]) -> Ranges:
    """What of the ranges the lanes have read: they read the rest in any case, and it is not to be sent twice."""
    cut = {place: replace(one, end=min(one.end, committed.get(place, 0))) for place, one in found.items()}
    return {place: one for place, one in cut.items() if one.first < one.end}


def length(found: Ranges) -> int:
    """How many offsets the ranges have together."""
    return sum(one.end - one.first for one in found.values())


def _cut(place: InputPartition, asked: OffsetRange, held: PartitionRange | None) -> PartitionRange:
    name = f"{place.topic}, partition {place.partition}"
    if held is None:
        raise SetupError(f"there is no {name}")
    end = held.end if asked.last is None else asked.last + 1
    if held.first <= asked.first <= end <= held.end:
        return PartitionRange(first=asked.first, end=end)
    holds = f"holds offsets {held.first} to {held.end - 1}" if held.first < held.end else "holds nothing"
    last = "its end" if asked.last is None else asked.last
    raise SetupError(f"{name}, {holds}; there is no {asked.first} to {last}")


def _from(held: PartitionRange, since: int) -> PartitionRange:
    return PartitionRange(first=max(held.first, min(since, held.end)), end=held.end)
