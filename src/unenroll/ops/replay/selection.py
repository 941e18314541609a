"""Select what a replay takes: by offsets, times and accounts. Find the offsets that the topics hold."""

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
    """Offsets `first` to `last` of a partition, both included. `last` None: to the end of the partition."""

    first: int
    last: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class InputPartition:
    """One partition of an input topic. The topic is without a prefix."""

    topic: Topic
    partition: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplaySelection:
    """Conditions on what to replay. All of them have to hold; an empty condition always holds.

    `since` is included and `until` is not. They apply to the Kafka timestamp of a record, to the `time` of an event in
    a file, and to the time of a decision that is published again.
    """

    offsets: Mapping[InputPartition, OffsetRange] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    customers: frozenset[int] = frozenset()
    targets: frozenset[int] = frozenset()

    def includes_time(self, instant: datetime | None) -> bool:
        """Whether this time is selected. No time (None) is selected only without `since` and `until`."""
        if instant is None:
            return self.since is None and self.until is None
        return (self.since is None or self.since <= instant) and (self.until is None or instant < self.until)

    def includes_account(self, customer_id: int, target_id: int) -> bool:
        """Whether this account is selected."""
        return self.includes_customer(customer_id) and (not self.targets or target_id in self.targets)

    def includes_customer(self, customer_id: int) -> bool:
        """Whether some account of this customer may be selected."""
        return not self.customers or customer_id in self.customers

    @property
    def is_by_account(self) -> bool:
        """Whether only some accounts are selected. Then records that name no account are not."""
        return bool(self.customers or self.targets)


def parse_offsets(texts: list[str]) -> dict[InputPartition, OffsetRange]:
    """Return the ranges in texts like `requests/0:100-199` or `facts/3:17-`. Raises UsageError."""
    offsets: dict[InputPartition, OffsetRange] = {}
    for text in texts:
        partition, offset_range = _parse_range(text)
        if partition in offsets:
            raise UsageError(f"--offsets names {partition.topic}/{partition.partition} twice")
        offsets[partition] = offset_range
    return offsets


def _parse_range(text: str) -> tuple[InputPartition, OffsetRange]:
    match = _OFFSETS.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--offsets {text}: must be like requests/0:100-199, or requests/0:100- for all from offset 100"
        )
    first, last = int(match["first"]), int(match["last"]) if match["last"] else None
    if last is not None and last < first:
        raise UsageError(f"--offsets {text}: the last offset is before the first")
    partition = InputPartition(topic=Topic(match["topic"]), partition=int(match["partition"]))
    return partition, OffsetRange(first=first, last=last)


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionRange:
    """Offsets of a partition from `first` (included) to `end` (excluded)."""

    first: int
    end: int


PartitionRanges = Mapping[InputPartition, PartitionRange]


async def partition_ranges(cluster: KafkaAdmin, prefix: str, selection: ReplaySelection) -> PartitionRanges:
    """Return the selected ranges of the topics under this prefix, as of now, without empty ones.

    Raises SetupError if a topic, partition or offset does not exist, and OutageError.
    """
    names = {prefix + topic: topic for topic in INPUTS}
    topics = await cluster.topics(names)
    missing = [name for name in names if name not in topics]
    if len(missing) == len(names) or any(one.topic == names[name] for one in selection.offsets for name in missing):
        raise SetupError(f"Kafka has no topic {', '.join(missing)}, so there is nothing to replay")
    numbers = partitions_of(topic for _, topic in sorted(topics.items()))
    partitions = {one: InputPartition(topic=names[one.topic], partition=one.number) for one in numbers}
    firsts, ends = await cluster.beginnings(partitions), await cluster.ends(partitions)
    existing = {one: PartitionRange(first=firsts[number], end=ends[number]) for number, one in partitions.items()}
    if selection.offsets:
        return {one: _selected(one, offsets, existing.get(one)) for one, offsets in selection.offsets.items()}
    if selection.since is not None:
        since = await cluster.offsets_at(partitions, selection.since)
        existing = {one: _starting_at(existing[one], since[number]) for number, one in partitions.items()}
    return _without_empty(existing)


def processed_ranges(ranges: PartitionRanges, committed: Mapping[InputPartition, int]) -> PartitionRanges:
    """Return the parts of the ranges below the committed offsets. The lanes read the rest anyway."""
    return _without_empty(
        {partition: replace(one, end=min(one.end, committed.get(partition, 0))) for partition, one in ranges.items()}
    )


def offset_count(ranges: PartitionRanges) -> int:
    """Return the number of offsets in all ranges together."""
    return sum(one.end - one.first for one in ranges.values())


def _without_empty(ranges: PartitionRanges) -> PartitionRanges:
    return {partition: one for partition, one in ranges.items() if one.first < one.end}


def _selected(partition: InputPartition, offsets: OffsetRange, existing: PartitionRange | None) -> PartitionRange:
    name = f"partition {partition.partition} of {partition.topic}"
    if existing is None:
        raise SetupError(f"{name} does not exist")
    end = existing.end if offsets.last is None else offsets.last + 1
    if existing.first <= offsets.first <= end <= existing.end:
        return PartitionRange(first=offsets.first, end=end)
    holds = "is empty"
    if existing.first < existing.end:
        holds = f"has offsets {existing.first} to {existing.end - 1}"
    last = "its end" if offsets.last is None else offsets.last
    raise SetupError(f"{name} {holds}; --offsets asks for {offsets.first} to {last}")


def _starting_at(existing: PartitionRange, offset: int) -> PartitionRange:
    return PartitionRange(first=max(existing.first, min(offset, existing.end)), end=existing.end)
