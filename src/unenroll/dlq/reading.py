"""The dead letters that lie on their topic now."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from unenroll.dlq.places import Place, place_text
from unenroll.dlq.wanted import Found, Wanted
from unenroll.errors import UnenrollError
from unenroll.settings import KafkaSettings
from unenroll.stream.cluster import Cluster, partitions_of
from unenroll.stream.stretch import Stretch, Written, stretch
from unenroll.stream.topics import existing_topics
from unenroll.wire.letters import read_letter
from unenroll.wire.names import Topic as Word

Letters = AsyncIterator[list[Found]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Where the letters are read. What is put aside from now on is not among them."""

    settings: KafkaSettings
    stretch: Stretch

    async def letters(self, wanted: Wanted) -> Letters:
        """The letters that are meant, some at a time. Raises OutageError and SetupError."""
        async for written in stretch(self.settings, _narrowed(self.stretch, wanted)):
            found = [one for one in _letters(written) if wanted.takes(one)]
            if found:
                yield found


async def reading(settings: KafkaSettings, cluster: Cluster) -> Reading:
    """The topic from its beginning to its end as of now. Raises OutageError and SetupError."""
    name = settings.topic_prefix + Word.DEAD_LETTERS
    places = partitions_of((await existing_topics(cluster, [name])).values())
    first, end = await cluster.beginnings(places), await cluster.ends(places)
    return Reading(settings=settings, stretch={place: (first[place], end[place]) for place in places})


async def chosen(letters: Reading, wanted: Wanted) -> Letters:
    """The letters that are meant, some at a time. Raises UnenrollError first if one that is named is not there."""
    if not wanted.places:
        return letters.letters(wanted)
    found = [one async for some in letters.letters(wanted) for one in some]
    there = {place for one in found for place in wanted.named(one.letter)}
    missing = sorted(wanted.places - there)
    if missing:
        names = ", ".join(place_text(place, prefix=wanted.prefix) for place in missing)
        raise UnenrollError(f"there is no dead letter {names} that is meant: see `unenroll dlq list`")
    return _at_once(found)


async def _at_once(found: list[Found]) -> Letters:
    yield found


def _letters(written: Iterable[Written]) -> Iterable[Found]:
    for record, at in written:
        letter = read_letter(record)
        if letter is not None:
            yield Found(letter, at)


def _narrowed(whole: Stretch, wanted: Wanted) -> Stretch:
    """What has to be read: little, where the letters are named by their own places."""
    own = wanted.prefix + Word.DEAD_LETTERS
    if not wanted.places or any(place.topic != own for place in wanted.places):
        return whole
    return {place: _between(wanted.places, place.number, whole=stretch) for place, stretch in whole.items()}


def _between(places: Iterable[Place], partition: int, *, whole: tuple[int, int]) -> tuple[int, int]:
    first, end = whole
    offsets = [place.offset for place in places if place.partition == partition]
    return (max(first, min(offsets)), min(end, max(offsets) + 1)) if offsets else (end, end)
