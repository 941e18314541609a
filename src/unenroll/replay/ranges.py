"""Which offsets of which partitions are read: what was asked for, held against what the topics hold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from unenroll.errors import SetupError
from unenroll.replay.selection import Offsets, Place, Selection
from unenroll.stream.cluster import Cluster, partitions_of
from unenroll.stream.topics import INPUTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Offsets of a partition: `first` is read, `end` is not."""

    first: int
    end: int


Ranges = Mapping[Place, Range]


async def ranges(cluster: Cluster, prefix: str, selection: Selection) -> Ranges:
    """The ranges that hold something, as of now. Raises SetupError for what is not there, and OutageError."""
    names = {prefix + word: word for word in INPUTS}
    topics = await cluster.topics(names)
    missing = [name for name in names if name not in topics]
    if len(missing) == len(names) or any(place.topic == names[name] for place in selection.offsets for name in missing):
        raise SetupError(f"Kafka has no topic {', '.join(missing)}, so there is nothing to replay")
    partitions = partitions_of(topic for _, topic in sorted(topics.items()))
    places = {one: Place(topic=names[one.topic], partition=one.number) for one in partitions}
    firsts, ends = await cluster.beginnings(places), await cluster.ends(places)
    held = {places[place]: Range(first=firsts[place], end=ends[place]) for place in places}
    if selection.offsets:
        return {place: _cut(place, asked, held.get(place)) for place, asked in selection.offsets.items()}
    if selection.since is not None:
        since = await cluster.at(places, selection.since)
        held = {places[place]: _from(held[places[place]], since[place]) for place in places}
    return {place: one for place, one in held.items() if one.first < one.end}


def read_before(found: Ranges, committed: Mapping[Place, int]) -> Ranges:
    """What of the ranges the lanes have read: they read the rest in any case, and it is not to be sent twice."""
    cut = {place: replace(one, end=min(one.end, committed.get(place, 0))) for place, one in found.items()}
    return {place: one for place, one in cut.items() if one.first < one.end}


def length(found: Ranges) -> int:
    """How many offsets the ranges have together."""
    return sum(one.end - one.first for one in found.values())


def _cut(place: Place, asked: Offsets, held: Range | None) -> Range:
    name = f"{place.topic}, partition {place.partition}"
    if held is None:
        raise SetupError(f"there is no {name}")
    end = held.end if asked.last is None else asked.last + 1
    if held.first <= asked.first <= end <= held.end:
        return Range(first=asked.first, end=end)
    holds = f"holds offsets {held.first} to {held.end - 1}" if held.first < held.end else "holds nothing"
    last = "its end" if asked.last is None else asked.last
    raise SetupError(f"{name}, {holds}; there is no {asked.first} to {last}")


def _from(held: Range, since: int) -> Range:
    return Range(first=max(held.first, min(since, held.end)), end=held.end)
