"""A lane's publications cut into what one transaction publishes again, each with the progress behind it. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from unenroll.replay.marked import Marking
from unenroll.store.replays import Publication
from unenroll.stream.resume import Committed, metadata
from unenroll.wire.pack import unpack
from unenroll.wire.record import Message


class Progress(NamedTuple):
    """All up to the decision of this number was published again, and so many messages of the next batch."""

    sequence: int = 0
    messages: int = 0

    @property
    def committed(self) -> tuple[int, str]:
        """The same as an offset, and what stands beside it."""
        return self.messages, metadata(self.sequence)

    @classmethod
    def of(cls, committed: Committed | None) -> "Progress":
        """What `committed` tells of it; None: nothing was published again yet."""
        return cls() if committed is None else cls(committed.sequence or 0, committed.offset)


class Slice(NamedTuple):
    """Messages that go together, perhaps none, and the progress behind them."""

    messages: list[Message]
    behind: Progress


def slices(publications: Sequence[Publication], begin: Progress, *, marking: Marking, most: int) -> Iterator[Slice]:
    """What is left of the publications, at most so many messages at a time. The last one ends behind all of them."""
    messages: list[Message] = []
    at = begin
    for publication in publications:
        chosen = marking.chosen(unpack(publication.outputs), publication.decided_at)
        for message in chosen[at.messages :]:
            messages.append(message)
            at = at._replace(messages=at.messages + 1)
            if len(messages) >= most:
                yield Slice(messages, at)
                messages = []
        at = Progress(publication.sequence)
    yield Slice(messages, at)
