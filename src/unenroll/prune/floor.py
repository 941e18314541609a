"""How much of the past may still come back: what topics are to keep, and the oldest dead letter."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from unenroll.moments import clock_time, duration
from unenroll.settings import WorkerSettings
from unenroll.stream.cluster import Cluster, Topic, partitions_of
from unenroll.stream.oldest import oldest_records
from unenroll.stream.topics import INPUTS
from unenroll.wire.names import Topic as Word

_RETENTION = "retention.ms"


@dataclass(frozen=True, kw_only=True, slots=True)
class Floor:
    """Nothing from `at` on is to be forgotten, and why; None: nothing at all."""

    at: datetime | None
    why: str


def below(floors: Iterable[Floor], cut: datetime) -> list[Floor]:
    """Those of the floors that the cut is not below."""
    return [floor for floor in floors if floor.at is None or cut > floor.at]


async def floors(
    settings: WorkerSettings, cluster: Cluster, topics: Mapping[str, Topic], *, now: datetime
) -> list[Floor]:
    """What is to be kept. Raises OutageError and SetupError."""
    inputs = [settings.topic_prefix + word for word in INPUTS]
    found = await cluster.configuration(inputs)
    kept = [_of_retention(name, int(found[name][_RETENTION]), now) for name in inputs]
    letter = await _oldest_letter(settings, cluster, topics[settings.topic_prefix + Word.DEAD_LETTERS])
    if letter is not None:
        kept.append(Floor(at=letter, why=f"the oldest dead letter is of {clock_time(letter)}"))
    return kept


def _of_retention(topic: str, milliseconds: int, now: datetime) -> Floor:
    if milliseconds < 0:
        return Floor(at=None, why=f"{topic} keeps its records for ever")
    length = timedelta(milliseconds=milliseconds)
    return Floor(at=now - length, why=f"{topic} keeps its records for {duration(length)}")


async def _oldest_letter(settings: WorkerSettings, cluster: Cluster, topic: Topic) -> datetime | None:
    places = partitions_of([topic])
    first, end = await cluster.beginnings(places), await cluster.ends(places)
    times = await oldest_records(settings, {place: first[place] for place in places if first[place] < end[place]})
    return min(times.values(), default=None)
