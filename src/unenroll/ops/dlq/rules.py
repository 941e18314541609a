"""What becomes of each dead letter that is meant, when letters are put back. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace

from unenroll.errors import UnenrollError
from unenroll.postgres.redrives import LetterState
from unenroll.wire.dead_letters import Letter, restored_record, with_headers
from unenroll.wire.decode import decode
from unenroll.wire.reasons import DeadLetter, Reason
from unenroll.wire.topics import CARRIES, Message, Record, Topic, batch_bytes

HEALS: Mapping[str, str] = MappingProxyType(
    {
        Reason.GROUP_NOT_FOUND: "once its target group is defined",
        Reason.TARGET_NOT_FOUND: "once its target is defined",
        Reason.TARGET_NOT_IN_GROUP: "once its target is defined in its group",
        Reason.PERIOD_NOT_FOUND: "once its cycle is defined",
        Reason.ANSWER_TOO_LARGE: "once the topic of its answer takes larger records",
        Reason.REFUSED_BY_DATABASE: "once the database takes it",
    }
)
"""What a letter waits for, by its reason. One with another reason never heals, unless somebody edits it."""


class LetterFate(StrEnum):
    """What becomes of a letter, the first that applies: it is left alone for a reason, parked, or put back."""

    OTHER_TOPIC = "of another topic"
    ERASED = "of customers who were erased since"
    REDRIVEN_BEFORE = "put back before"
    IS_PARKED = "parked before"
    NEVER_HEALS = "never heal as they are"
    NOT_WHOLE = "not whole"
    TOO_OFTEN = "put back too often, so now parked"
    TOO_LARGE = "too large for their topic with one header more"
    PUT_BACK = "put back"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordEdit:
    """What takes the place of a record's value, if anything, and of its headers of these names."""

    value: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


class JudgedLetter(NamedTuple):
    """A letter's fate, and what goes back to its topic if that is the fate."""

    fate: LetterFate
    record: Record


@dataclass(frozen=True, kw_only=True, slots=True)
class RedriveRules:
    """What is put back. `limits` has the most bytes of a record of each topic that takes any, by its full name.

    `even_unhealing`: also what never heals as it is. `even_parked`: also what somebody parked.
    """

    limits: Mapping[str, int]
    most_redrives: int
    even_unhealing: bool = False
    even_parked: bool = False
    edit: RecordEdit | None = None

    def judge(self, letter: Letter, state: LetterState) -> JudgedLetter:
        """What becomes of the letter. Raises UnenrollError if it would be a dead letter again as it was edited."""
        fate = self._done_with(letter, state) or self._unfit(letter)
        record = restored_record(letter)
        if fate is None:
            record = self._edited(record)
            fits = batch_bytes(as_message(record)) <= self.limits[record.topic]
            fate = LetterFate.PUT_BACK if fits else LetterFate.TOO_LARGE
        return JudgedLetter(fate, record)

    def _done_with(self, letter: Letter, state: LetterState) -> LetterFate | None:
        if letter.record.topic not in self.limits:
            return LetterFate.OTHER_TOPIC
        if state in {LetterState.REDRIVEN, LetterState.UNSETTLED}:
            return LetterFate.REDRIVEN_BEFORE
        if state is LetterState.PARKED and not self.even_parked:
            return LetterFate.IS_PARKED
        return None

    def _unfit(self, letter: Letter) -> LetterFate | None:
        if letter.reason not in HEALS and not self.even_unhealing:
            return LetterFate.NEVER_HEALS
        if letter.left_out and self.edit is None:
            return LetterFate.NOT_WHOLE
        if letter.redrives >= self.most_redrives:
            return LetterFate.TOO_OFTEN
        return None

    def _edited(self, record: Record) -> Record:
        if self.edit is None:
            return record
        value = record.value if self.edit.value is None else self.edit.value
        edited = replace(record, value=value, headers=with_headers(record.headers, self.edit.headers))
        read = decode(edited, CARRIES[_word(record.topic)])
        if isinstance(read, DeadLetter):
            raise UnenrollError(f"as it was edited it would be a dead letter again: {read.reason}, {read.detail}")
        return edited


def as_message(record: Record) -> Message:
    """The record as something to publish."""
    return Message(topic=record.topic, key=record.key, value=record.value, headers=record.headers)


def _word(topic: str) -> Topic:
    return next(word for word in (Topic.REQUESTS, Topic.FACTS) if topic.endswith(word))
