"""Records from input topics, ours or a copy of them: facts first, then requests, so that leaves find their facts."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from unenroll.batch.readings import read
from unenroll.replay.ranges import Ranges
from unenroll.replay.selection import Place
from unenroll.replay.source import Chunk, Entry
from unenroll.settings import KafkaSettings
from unenroll.stream.cluster import Partition
from unenroll.stream.stretch import Written, reading
from unenroll.stream.topics import INPUTS
from unenroll.wire.names import CARRIES, Topic


@dataclass(kw_only=True, slots=True)
class FromTopics:
    """The records of some ranges. `prefix` begins the names of the topics that are read, `settings` those of ours.

    `unread` counts the offsets that the ranges leave to the lanes, which are yet to read them.
    """

    settings: KafkaSettings
    prefix: str
    ranges: Ranges
    unread: int
    done: Callable[[int], None]
    _next: dict[Place, int] = field(init=False)

    def __post_init__(self) -> None:
        """Begin at the beginning of each range."""
        self._next = {place: one.first for place, one in self.ranges.items()}

    async def chunks(self, most: int) -> AsyncGenerator[Chunk, None]:
        """The records, at most so many at a time; now and then none. Raises OutageError and SetupError."""
        for topic in INPUTS:
            wanted = {
                Partition(topic=self.prefix + topic, number=place.partition): (one.first, one.end)
                for place, one in self.ranges.items()
                if place.topic is topic
            }
            async with reading(self.settings, wanted) as reader:
                while reader.left:
                    found = await reader.read(most)
                    self._move(topic, reader.next)
                    yield Chunk(entries=[self._entry(written, topic) for written in found])

    def go_on(self) -> str:
        """The arguments that read on behind the last chunk."""
        left = (
            f"--offsets {place.topic}/{place.partition}:{self._next[place]}-{one.end - 1}"
            for place, one in self.ranges.items()
            if self._next[place] < one.end
        )
        return " ".join(left)

    def _move(self, topic: Topic, reached: Mapping[Partition, int]) -> None:
        now = {Place(topic=topic, partition=place.number): offset for place, offset in reached.items()}
        self.done(sum(offset - self._next[place] for place, offset in now.items()))
        self._next |= now

    def _entry(self, written: Written, topic: Topic) -> Entry:
        name = self.settings.topic_prefix + topic
        (told,) = read([replace(written.record, topic=name)], {name: CARRIES[topic]})
        return Entry(told, written.at)
