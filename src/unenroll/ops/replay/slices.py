"""A lane's publications cut into what one transaction publishes again, each with the progress behind it. Pure."""

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
    """The topics that are published to again. A dead letter is put back on the topic that it came from instead."""

    UNENROLLMENTS = Topic.UNENROLLMENTS
    REJECTIONS = Topic.REJECTIONS
    REWARDS = Topic.REWARDS


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayMarking:
    """Which messages are chosen, and how they are marked."""

    replay_id: str
    selection: ReplaySelection
    topics: Collection[ReplayTopics]

    def chosen(self, messages: Collection[Message], decided_at: datetime) -> list[Message]:
        """Those of a batch's messages that are chosen, marked, in their order."""
        if not self.selection.at(decided_at):
            return []
        mark = (REPLAY_ID, self.replay_id.encode())
        return [replace(one, headers=(*one.headers, mark)) for one in messages if self._chosen(one)]

    def _chosen(self, message: Message) -> bool:
        if message.topic not in self.topics:
            return False
        if not self.selection.of_accounts:
            return True
        if not self.selection.every_customer(int(message.key or b"0")):
            return False
        data = from_json(message.value or b"{}")
        return self.selection.of(data["customerId"], data["targetId"])


class SliceProgress(NamedTuple):
    """All up to the decision of this number was published again, and so many messages of the next batch."""

    sequence: int = 0
    messages: int = 0

    @property
    def committed(self) -> tuple[int, str]:
        """The same as an offset, and what stands beside it."""
        return self.messages, metadata(self.sequence)

    @classmethod
    def of(cls, committed: CommittedOffset | None) -> "SliceProgress":
        """What `committed` tells of it; None: nothing was published again yet."""
        return cls() if committed is None else cls(committed.sequence or 0, committed.offset)


class MessageSlice(NamedTuple):
    """Messages that go together, perhaps none, and the progress behind them."""

    messages: list[Message]
    behind: SliceProgress


def slices(
    publications: Sequence[ReplayBatch], begin: SliceProgress, *, marking: ReplayMarking, most: int
) -> Iterator[MessageSlice]:
    """What is left of the publications, at most so many messages at a time. The last one ends behind all of them."""
    messages: list[Message] = []
    at = begin
    for publication in publications:
        chosen = marking.chosen(unpack(publication.outputs), publication.decided_at)
        for message in chosen[at.messages :]:
            messages.append(message)
            at = at._replace(messages=at.messages + 1)
            if len(messages) >= most:
                yield MessageSlice(messages, at)
                messages = []
        at = SliceProgress(publication.sequence)
    yield MessageSlice(messages, at)
