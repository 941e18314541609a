"""Decisions numbered in the order of their lane: what the ledger keeps, and what goes out. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from unenroll.core.outcomes import Outcome
from unenroll.postgres.lanes import LaneRow
from unenroll.postgres.ledger import DeadRow, LedgerPosition, LedgerRow
from unenroll.wire.dead_letters import content_digest, dead_letter, redrives
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Message, Record
from unenroll.worker.batch import DecodedRecord, Skipped
from unenroll.worker.fold import Fate, RecordedEvent

_LEFT = Outcome.UNENROLLED

UNENROLLED, REFUSED, FACT, DEAD_LETTERED = "unenrolled", "refused", "fact", "dead_lettered"
"""What may become of a record, besides what `Seen` has. No enum: its members take long to look up."""

Tally = tuple[str, str, str]
"""A topic, what became of a record of it, and the word that says more: an outcome, a fact's type, a reason."""

Told = tuple[DecodedRecord, RecordedEvent | DeadLetter]
"""A record that was not done before, and what became of it."""


@dataclass(kw_only=True, slots=True)
class NumberedDecisions:
    """The decisions of a batch. `sequence` is the number of the last one in the lane."""

    sequence: int
    decided_at: datetime
    ledger: list[LedgerRow] = field(default_factory=list)
    dead: list[DeadRow] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    tallies: Counter[Tally] = field(default_factory=Counter)
    told: list[Told] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class DecisionNumbering:
    """Gives each decision of a lane the next number. A content in `buried` was dead-lettered before."""

    lane: LaneRow
    buried: AbstractSet[tuple[str, bytes]]
    most_bytes: int
    decided_at: datetime
    _buried_now: set[tuple[str, bytes]] = field(default_factory=set)
    _topic_ids: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Know the topics by their ids."""
        self._topic_ids = {position.topic: position.topic_id for position in self.lane.positions}

    def number(self, readings: Sequence[DecodedRecord], fates: Sequence[Fate]) -> NumberedDecisions:
        """The decisions in the order they were made. What leaves no trace gets no number."""
        numbered = NumberedDecisions(sequence=self.lane.sequence, decided_at=self.decided_at)
        for reading, fate in zip(readings, fates, strict=True):
            if isinstance(fate, RecordedEvent):
                self._keep(numbered, reading, fate)
            elif isinstance(fate, DeadLetter):
                self._bury(numbered, reading, fate)
            else:
                numbered.tallies[reading.record.topic, fate.value, ""] += 1
        return numbered

    def _keep(self, numbered: NumberedDecisions, reading: DecodedRecord, kept: RecordedEvent) -> None:
        numbered.ledger.append(
            LedgerRow._make(
                (
                    *kept.key,
                    kept.received.event_type,
                    *kept.content,
                    kept.received.event.target_id,
                    kept.outcome,
                    kept.decision,
                    self.decided_at,
                    *self._next_place(numbered, reading.record),
                )
            )
        )
        numbered.messages.extend(kept.messages)
        outcome = kept.outcome
        if outcome is None:
            numbered.tallies[reading.record.topic, FACT, kept.received.event_type] += 1
        else:
            numbered.tallies[reading.record.topic, UNENROLLED if outcome is _LEFT else REFUSED, outcome.value] += 1
        numbered.told.append((reading, kept))

    def _bury(self, numbered: NumberedDecisions, reading: DecodedRecord, dead: DeadLetter) -> None:
        record = reading.record
        key = (record.topic, content_digest(record))
        if key in self.buried or key in self._buried_now:
            numbered.tallies[record.topic, Skipped.DUPLICATE.value, ""] += 1
            return
        self._buried_now.add(key)
        place = self._next_place(numbered, record)
        numbered.dead.append(DeadRow(*key, dead.reason, dead.detail, place, redrives(record.headers), self.decided_at))
        numbered.messages.append(dead_letter(record, dead, max_bytes=self.most_bytes))
        numbered.tallies[record.topic, DEAD_LETTERED, dead.reason] += 1
        numbered.told.append((reading, dead))

    def _next_place(self, numbered: NumberedDecisions, record: Record) -> LedgerPosition:
        numbered.sequence += 1
        topic_id = self._topic_ids[record.topic]
        return LedgerPosition(self.lane.lane_id, numbered.sequence, topic_id, record.partition, record.offset)


def refusal(fate: RecordedEvent | DeadLetter) -> str | None:
    """The word that refuses a record, or None if it was taken."""
    if isinstance(fate, DeadLetter):
        return fate.reason
    return None if fate.outcome in {None, _LEFT} else fate.outcome


def digests(readings: Sequence[DecodedRecord], fates: Sequence[Fate]) -> Iterator[tuple[str, bytes]]:
    """The topic and content of each dead letter among them."""
    for reading, fate in zip(readings, fates, strict=True):
        if isinstance(fate, DeadLetter):
            yield reading.record.topic, content_digest(reading.record)
