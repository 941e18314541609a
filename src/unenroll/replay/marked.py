"""Published messages as they are published again: the same bytes, with the replay's id in one header more. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from msgspec.structs import replace
from pydantic_core import from_json

from unenroll.replay.selection import Selection
from unenroll.wire.names import Topic
from unenroll.wire.record import Message

REPLAY_ID = "ce_replayid"


class Again(StrEnum):
    """The topics that are published to again. A dead letter is put back on the topic that it came from instead."""

    UNENROLLMENTS = Topic.UNENROLLMENTS
    REJECTIONS = Topic.REJECTIONS
    REWARDS = Topic.REWARDS


@dataclass(frozen=True, kw_only=True, slots=True)
class Marking:
    """Which messages are chosen, and how they are marked."""

    replay_id: str
    selection: Selection
    topics: Collection[Again]

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
