"""Cut a lane's published batches into slices, each with the progress that its transaction commits. Pure."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace
from pydantic_core import from_json

from unenroll.kafka.committed_offsets import CommittedOffset, metadata
from unenroll.ops.replay.selection import ReplaySelection
from unenroll.postgres.outbox import unpack
from unenroll.postgres.replays import ReplayBatch
from unenroll.wire.topics import Message, Topic

REPLAY_ID = "ce_replayid"


class ReplayTopics(StrEnum):
    """The topics that a re-emit publishes to. It does not publish dead letters: `dlq redrive` puts those back."""

    UNENROLLMENTS = Topic.UNENROLLMENTS
    REJECTIONS = Topic.REJECTIONS
    REWARDS = Topic.REWARDS


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayMarking:
    """Selects messages and marks them with the replay's id."""

    replay_id: str
    selection: ReplaySelection
    topics: Collection[ReplayTopics]

    def marked(self, messages: Collection[Message], decided_at: datetime) -> list[Message]:
        """Return the selected messages of a batch in their order, each with header `ce_replayid`."""
        if not self.selection.includes_time(decided_at):
            return []
        header = (REPLAY_ID, self.replay_id.encode())
        return [replace(one, headers=(*one.headers, header)) for one in messages if self._is_selected(one)]

    def _is_selected(self, message: Message) -> bool:
        if message.topic not in self.topics:
            return False
        if not self.selection.is_by_account:
            return True
        if not self.selection.includes_customer(int(message.key or b"0")):
            return False
        data = from_json(message.value or b"{}")
        return self.selection.includes_account(data["customerId"], data["targetId"])


class SliceProgress(NamedTuple):
    """How far a lane is: all batches up to decision `sequence`, and so many `messages` of the next batch."""

    sequence: int = 0
    messages: int = 0

    @property
    def as_offset(self) -> tuple[int, str]:
        """The progress as an offset and its metadata."""
        return self.messages, metadata(self.sequence)

    @classmethod
    def from_offset(cls, committed: CommittedOffset | None) -> "SliceProgress":
        """Return the progress in a committed offset; None: the beginning."""
        return cls() if committed is None else cls(committed.sequence or 0, committed.offset)


class MessageSlice(NamedTuple):
    """Messages for one transaction, perhaps none, and the lane's progress after them."""

    messages: list[Message]
    progress: SliceProgress


def slices(
    batches: Sequence[ReplayBatch], begin: SliceProgress, *, marking: ReplayMarking, size: int
) -> Iterator[MessageSlice]:
    """Yield what is left of the batches in slices of at most `size` messages. The last slice ends after all batches."""
    messages: list[Message] = []
    at = begin
    for batch in batches:
        marked = marking.marked(unpack(batch.outputs), batch.decided_at)
        for message in marked[at.messages :]:
            messages.append(message)
            at = at._replace(messages=at.messages + 1)
            if len(messages) >= size:
                yield MessageSlice(messages, at)
                messages = []
        at = SliceProgress(batch.sequence)
    yield MessageSlice(messages, at)
