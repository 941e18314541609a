"""Records from NDJSON files, as `publish` takes them."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from itertools import islice

from unenroll.batch.readings import Reading
from unenroll.ndjson.bad_lines import BadLines
from unenroll.ndjson.lines import Line
from unenroll.publish.publishing import understood
from unenroll.replay.source import Chunk, Definition, Entry
from unenroll.wire.decode import Received, ReceivedGroup, decode, decode_group
from unenroll.wire.names import CARRIES, Topic
from unenroll.wire.record import Message, Record
from unenroll.wire.refusals import DeadLetter


@dataclass(frozen=True, kw_only=True, slots=True)
class FromFiles:
    """The lines, of which bad ones are set aside. `limits` has the most bytes that a batch to a topic may have."""

    lines: Iterable[Line]
    prefix: str
    limits: dict[str, int]
    bad: BadLines
    unread: int = 0

    async def chunks(self, most: int) -> AsyncGenerator[Chunk, None]:
        """The records, at most so many at a time."""
        lines = iter(self.lines)
        while held := list(islice(lines, most)):
            chunk = Chunk()
            for line in held:
                self._take(line, chunk)
            yield chunk

    def go_on(self) -> str:
        """Nothing: lines have no offsets."""
        return ""

    def _take(self, line: Line, chunk: Chunk) -> None:
        message = understood(line, self.limits)
        told = message if isinstance(message, DeadLetter) else self._told(message)
        if isinstance(told, DeadLetter):
            self.bad.add(line, told)
        elif isinstance(told, Definition):
            chunk.definitions.append(told)
        else:
            chunk.entries.append(told)

    def _told(self, message: Message) -> Entry | Definition | DeadLetter:
        record = Record(
            topic=self.prefix + message.topic,
            partition=0,
            offset=0,
            key=message.key,
            value=message.value,
            headers=message.headers,
        )
        topic = Topic(message.topic)
        told = decode_group(record) if topic is Topic.DEFINITIONS else decode(record, CARRIES[topic])
        if isinstance(told, ReceivedGroup):
            return Definition(told, message)
        return Entry(Reading(record, told), told.time) if isinstance(told, Received) else told
