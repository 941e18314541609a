"""Numbers the decisions of a lane in their order, and builds the rows to save and the messages to publish. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from unenroll.core.outcomes import Outcome
from unenroll.postgres.lanes import LaneRow
from unenroll.postgres.ledger import DeadLetterRow, LedgerPosition, LedgerRow, LetterKey
from unenroll.wire.dead_letters import content_digest, dead_letter, redrive_count
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Message, Record
from unenroll.worker.batch import DecodedRecord, Skipped
from unenroll.worker.fold import FoldResult, RecordedEvent

UNENROLLED, REFUSED, FACT, DEAD_LETTERED = "unenrolled", "refused", "fact", "dead_lettered"
"""The metric label `outcome` of a record that was not skipped. No enum: its members are slow to look up."""

Tally = tuple[str, str, str]
"""The labels of the metric of processed records: topic, outcome and reason."""

NewResult = tuple[DecodedRecord, RecordedEvent | DeadLetter]
"""A record that was processed for the first time, and its result."""


@dataclass(kw_only=True, slots=True)
class NumberedDecisions:
    """The decisions of a batch. `sequence` is the number of the last decision of the lane."""

    sequence: int
    decided_at: datetime
    ledger: list[LedgerRow] = field(default_factory=list)
    dead_letters: list[DeadLetterRow] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    tallies: Counter[Tally] = field(default_factory=Counter)
    new_results: list[NewResult] = field(default_factory=list)

    def extend(self, later: "NumberedDecisions") -> None:
        """Add the decisions that follow these."""
        self.sequence = later.sequence
        self.ledger.extend(later.ledger)
        self.dead_letters.extend(later.dead_letters)
        self.messages.extend(later.messages)
        self.tallies.update(later.tallies)
        self.new_results.extend(later.new_results)


@dataclass(kw_only=True, slots=True)
class DecisionNumbering:
    """Gives each decision of a lane the next number.

    `old_dead_letters` are the dead letters of this batch that were dead-lettered in an earlier batch. `max_bytes` is
    the maximum size of a message on topic dead-letters.
    """

    lane: LaneRow
    old_dead_letters: AbstractSet[LetterKey]
    max_bytes: int
    decided_at: datetime
    _new_dead_letters: set[LetterKey] = field(default_factory=set)
    _topic_ids: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Map the topics to their ids."""
        self._topic_ids = {position.topic: position.topic_id for position in self.lane.positions}

    def number(self, records: Sequence[DecodedRecord], results: Sequence[FoldResult]) -> NumberedDecisions:
        """The decisions in the order of the records. Skipped records get no number."""
        numbered = NumberedDecisions(sequence=self.lane.sequence, decided_at=self.decided_at)
        for decoded, result in zip(records, results, strict=True):
            if isinstance(result, RecordedEvent):
                self._add_event(numbered, decoded, result)
            elif isinstance(result, DeadLetter):
                self._add_dead_letter(numbered, decoded, result)
            else:
                numbered.tallies[decoded.record.topic, result.value, ""] += 1
        return numbered

    def _add_event(self, numbered: NumberedDecisions, decoded: DecodedRecord, event: RecordedEvent) -> None:
        numbered.ledger.append(
            LedgerRow._make(
                (
                    *event.key,
                    event.received.event_type,
                    *event.content,
                    event.received.event.target_id,
                    event.outcome,
                    event.decision,
                    self.decided_at,
                    *self._next_position(numbered, decoded.record),
                )
            )
        )
        numbered.messages.extend(event.messages)
        numbered.tallies[decoded.record.topic, *_labels(event)] += 1
        numbered.new_results.append((decoded, event))

    def _add_dead_letter(self, numbered: NumberedDecisions, decoded: DecodedRecord, dead: DeadLetter) -> None:
        record = decoded.record
        key = LetterKey(record.topic, content_digest(record))
        if key in self.old_dead_letters or key in self._new_dead_letters:
            numbered.tallies[record.topic, Skipped.DUPLICATE.value, ""] += 1
            return
        self._new_dead_letters.add(key)
        position = self._next_position(numbered, record)
        numbered.dead_letters.append(
            DeadLetterRow(*key, dead.reason, dead.detail, position, redrive_count(record.headers), self.decided_at)
        )
        numbered.messages.append(dead_letter(record, dead, max_bytes=self.max_bytes))
        numbered.tallies[record.topic, DEAD_LETTERED, dead.reason] += 1
        numbered.new_results.append((decoded, dead))

    def _next_position(self, numbered: NumberedDecisions, record: Record) -> LedgerPosition:
        numbered.sequence += 1
        topic_id = self._topic_ids[record.topic]
        return LedgerPosition(self.lane.lane_id, numbered.sequence, topic_id, record.partition, record.offset)


def _labels(event: RecordedEvent) -> tuple[str, str]:
    if event.outcome is None:
        return FACT, event.received.event_type
    return UNENROLLED if event.outcome is Outcome.UNENROLLED else REFUSED, event.outcome.value


def refusal_reason(result: RecordedEvent | DeadLetter) -> str | None:
    """The outcome of a refused request, the reason of a dead letter, None for everything else."""
    if isinstance(result, DeadLetter):
        return result.reason
    return None if result.outcome in {None, Outcome.UNENROLLED} else result.outcome


def dead_letter_keys(records: Sequence[DecodedRecord], results: Sequence[FoldResult]) -> Iterator[LetterKey]:
    """The identity of each dead letter among the results."""
    for decoded, result in zip(records, results, strict=True):
        if isinstance(result, DeadLetter):
            yield LetterKey(decoded.record.topic, content_digest(decoded.record))
