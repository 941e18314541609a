"""Which offsets of which partitions are read: what was asked for, held against what the topics hold."""

from collections.abc import Mapping
from dataclasses import dataclass

from unenroll.errors import SetupError
from unenroll.replay.selection import Offsets, Place, Selection
from unenroll.stream.cluster import Cluster, Partition
from unenroll.stream.topics import INPUTS
from unenroll.wire.names import Topic


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Offsets of a partition: `first` is read, `end` is not."""

    first: int
    end: int

    @property
    def length(self) -> int:
        """How many offsets it has."""
        return self.end - self.first


Ranges = Mapping[Place, Range]


async def ranges(cluster: Cluster, prefix: str, selection: Selection) -> Ranges:
    """The ranges that hold something, as of now. Raises SetupError for what is not there, and OutageError."""
    names = {prefix + word: word for word in INPUTS}
    topics = await cluster.topics(names)
    missing = [name for name in names if name not in topics and _asked(selection, names[name])]
    if missing:
        raise SetupError(f"Kafka has no topic {', '.join(missing)}, so there is nothing to replay")
    places = {
        Partition(topic=name, number=number): Place(topic=names[name], partition=number)
        for name, topic in sorted(topics.items())
        for number in range(topic.partitions)
    }
    firsts, ends = await cluster.beginnings(places), await cluster.ends(places)
    held = {places[place]: Range(first=firsts[place], end=ends[place]) for place in places}
    if selection.offsets:
        return {place: _cut(place, asked, held.get(place)) for place, asked in selection.offsets.items()}
    if selection.since is not None:
        since = await cluster.since(places, selection.since)
        held = {places[place]: _from(held[places[place]], since[place]) for place in places}
    return {place: one for place, one in held.items() if one.length}


def _asked(selection: Selection, topic: Topic) -> bool:
    return not selection.offsets or any(place.topic is topic for place in selection.offsets)


def _cut(place: Place, asked: Offsets, held: Range | None) -> Range:
    name = f"{place.topic}, partition {place.partition}"
    if held is None:
        raise SetupError(f"there is no {name}")
    end = held.end if asked.last is None else asked.last + 1
    if asked.first < held.first or end > held.end or asked.first > held.end:
        there = f"holds offsets {held.first} to {held.end - 1}" if held.length else "holds nothing"
        raise SetupError(
            f"{name}, {there}; there is no {asked.first} to {end - 1 if asked.last is not None else 'its end'}"
        )
    return Range(first=asked.first, end=end)


def _from(held: Range, since: int) -> Range:
    return Range(first=held.end if since < 0 else max(held.first, min(since, held.end)), end=held.end)
