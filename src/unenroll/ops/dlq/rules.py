"""Decide for each dead letter whether a redrive puts it back, parks it or leaves it alone. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace

from unenroll.core.reasons import Reason
from unenroll.errors import UnenrollError
from unenroll.postgres.redrives import LetterState
from unenroll.wire.dead_letters import Letter, restored_record, with_headers
from unenroll.wire.decode import decode
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import CARRIES, Message, Record, Topic, batch_bytes

RETRY_CONDITIONS: Mapping[str, str] = MappingProxyType(
    {
        Reason.GROUP_NOT_FOUND: "once its target group is defined",
        Reason.TARGET_NOT_FOUND: "once its target is defined",
        Reason.TARGET_NOT_IN_GROUP: "once its target is defined in its group",
        Reason.PERIOD_NOT_FOUND: "once its cycle is defined",
        Reason.ACCOUNT_FULL: "once UNENROLL_MAX_ACCOUNT_FACTS is higher",
        Reason.ANSWER_TOO_LARGE: "once the topic of its answer takes larger records",
        Reason.REFUSED_BY_DATABASE: "once the database takes it",
    }
)
"""When a retry of an unchanged record succeeds, by the letter's reason. With any other reason it never does."""


class RedriveDecision(StrEnum):
    """What a redrive does with a letter. The first that applies wins, from the top.

    The redrive leaves the letter alone, except for TOO_OFTEN (parks it) and PUT_BACK.
    """

    OTHER_TOPIC = "other_topic"
    ERASED = "customer_erased"
    REDRIVEN_BEFORE = "redriven_before"
    IS_PARKED = "parked_before"
    NOT_RETRYABLE = "not_retryable"
    INCOMPLETE = "incomplete"
    TOO_OFTEN = "redriven_too_often"
    TOO_LARGE = "too_large"
    PUT_BACK = "put_back"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordEdit:
    """A new value for a record (None: keep the value), and headers that replace all headers of the same names."""

    value: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


class DecidedLetter(NamedTuple):
    """The decision on a letter, and the record that goes back to its topic if the decision is PUT_BACK."""

    decision: RedriveDecision
    record: Record


@dataclass(frozen=True, kw_only=True, slots=True)
class RedriveRules:
    """The limits and options of a redrive.

    `limits` has the largest batch in bytes that each input topic takes, by its full name. A letter that was put back
    `max_redrives` times is parked. `include_permanent` also puts back letters whose failure is permanent: those whose
    reason is not in `RETRY_CONDITIONS`. `include_parked` also puts back parked letters.
    """

    limits: Mapping[str, int]
    max_redrives: int
    include_permanent: bool = False
    include_parked: bool = False
    edit: RecordEdit | None = None

    def decide(self, letter: Letter, state: LetterState) -> DecidedLetter:
        """Return the decision on the letter. Raises UnenrollError if the edited record would be a dead letter again."""
        decision = self._excluded_by_state(letter, state) or self._excluded_by_content(letter)
        record = restored_record(letter)
        if decision is None:
            record = self._edited(record)
            fits = batch_bytes(as_message(record)) <= self.limits[record.topic]
            decision = RedriveDecision.PUT_BACK if fits else RedriveDecision.TOO_LARGE
        return DecidedLetter(decision, record)

    def _excluded_by_state(self, letter: Letter, state: LetterState) -> RedriveDecision | None:
        if letter.record.topic not in self.limits:
            return RedriveDecision.OTHER_TOPIC
        if state in {LetterState.REDRIVEN, LetterState.UNSETTLED}:
            return RedriveDecision.REDRIVEN_BEFORE
        if state is LetterState.PARKED and not self.include_parked:
            return RedriveDecision.IS_PARKED
        return None

    def _excluded_by_content(self, letter: Letter) -> RedriveDecision | None:
        if letter.reason not in RETRY_CONDITIONS and not self.include_permanent:
            return RedriveDecision.NOT_RETRYABLE
        if letter.left_out and self.edit is None:
            return RedriveDecision.INCOMPLETE
        if letter.redrives >= self.max_redrives:
            return RedriveDecision.TOO_OFTEN
        return None

    def _edited(self, record: Record) -> Record:
        if self.edit is None:
            return record
        value = record.value if self.edit.value is None else self.edit.value
        edited = replace(record, value=value, headers=with_headers(record.headers, self.edit.headers))
        content = decode(edited, CARRIES[_topic(record.topic)])
        if isinstance(content, DeadLetter):
            raise UnenrollError(
                f"the edited record would be a dead letter again: {content.reason}, {content.detail}. Nothing was sent"
            )
        return edited


def as_message(record: Record) -> Message:
    """Return the record as a message to publish."""
    return Message(topic=record.topic, key=record.key, value=record.value, headers=record.headers)


def _topic(full_name: str) -> Topic:
    return next(topic for topic in (Topic.REQUESTS, Topic.FACTS) if full_name.endswith(topic))
