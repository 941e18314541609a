"""A history put in order once, for all invariants to look at."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from checker.history import History, Partition, Sample, Spot
from checker.refold import Ends, Refold, definitions_of, refold
from support.topics import ConsumedRecord
from unenroll.core.definitions import DefinitionSet
from unenroll.core.events import EventKey
from unenroll.postgres.ledger import DeadLetterRow, LedgerRow
from unenroll.wire.dead_letters import dead_letter
from unenroll.wire.decode import ReceivedEvent, decode
from unenroll.wire.encode import event_uuid
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import CARRIES, Message, Record, Topic

_MARK = re.compile(r"unenroll/1 (?:topic=\S+ )?sequence=([0-9]+)")

Bytes = tuple[str, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]
"""All that a consumer sees of a message but where it lies: topic, key, value, headers."""


class Decision(NamedTuple):
    """A decision of a lane: where its record was read, and what it publishes."""

    lane_id: int
    sequence: int
    spot: Spot
    outputs: tuple[Bytes, ...]


@dataclass(frozen=True)
class Evidence:
    """What follows from a history."""

    history: History

    @cached_property
    def records(self) -> dict[Spot, Record]:
        """The inputs by where they lie."""
        return {spot_of(seen): _record(seen) for seen in self.history.inputs}

    @cached_property
    def readings(self) -> dict[Spot, ReceivedEvent | DeadLetter]:
        """What they say."""
        prefix = self.history.prefix
        return {
            spot: decode(record, CARRIES[Topic(record.topic.removeprefix(prefix))])
            for spot, record in self.records.items()
        }

    @cached_property
    def loaded(self) -> dict[EventKey, ReceivedEvent]:
        """What did not come by a topic, by who it is."""
        received = [
            ReceivedEvent(
                event=fact.event,
                event_type=fact.event_type,
                event_key=event_uuid(fact.event.key),
                content_hash=fact.content_hash,
                time=fact.time,
                traceparent=None,
            )
            for fact in self.history.loaded
        ]
        return {key_of(one): one for one in received}

    @cached_property
    def definitions(self) -> DefinitionSet:
        """As they ended."""
        return definitions_of(self.history.groups)

    @cached_property
    def kept(self) -> frozenset[Message]:
        """All that the database keeps to be published."""
        return frozenset(message for batch in self.history.publications for message in batch.messages)

    @cached_property
    def refolded(self) -> Refold:
        """The facts of the ledger, of those rows that are about something that is there and can be read."""
        pairs = [(row, self.told(row)) for row in self.history.ledger]
        ends = Ends(groups=self.history.groups, accounts=self.history.accounts, kept=self.kept)
        return refold([(row, told) for row, told in pairs if told is not None], ends)

    @cached_property
    def decisions(self) -> list[Decision]:
        """All decisions in the order of each lane."""
        return sorted([*self._kept(), *self._buried()])

    @cached_property
    def committed(self) -> dict[Partition, tuple[int, str]]:
        """The committed offsets in the end."""
        return dict(self.history.samples[-1].committed)

    @cached_property
    def visible_at(self) -> dict[Bytes, Spot]:
        """Where each visible message lies; of several alike, the first."""
        found: dict[Bytes, Spot] = {}
        for seen in self.history.visible:
            found.setdefault(bytes_of(seen), spot_of(seen))
        return found

    def told(self, row: LedgerRow) -> ReceivedEvent | None:
        """What the row is about, if it is there and can be read."""
        reading = self.loaded.get(row.key) if row.lane_id is None else self.readings.get(self.spot(row))
        return reading if isinstance(reading, ReceivedEvent) else None

    def spot(self, row: LedgerRow | DeadLetterRow) -> Spot:
        """Where the decision's record was read."""
        topic_id, partition, offset = (
            (row.position.topic_id, row.position.partition, row.position.offset)
            if isinstance(row, DeadLetterRow)
            else (row.topic_id, row.partition, row.offset)
        )
        return self.history.topic_ids.get(topic_id or "", "nowhere"), partition or 0, offset or 0

    def published(self, sample: Sample, lane_partition: int) -> set[int]:
        """The number that stands beside the committed offsets of a lane: one, if all is well."""
        return {
            number_of(metadata) for place, (_, metadata) in sample.committed.items() if place[1] == lane_partition
        } or {0}

    def _kept(self) -> Iterator[Decision]:
        for row in self.history.ledger:
            if row.lane_id is not None and row.sequence is not None:
                told = self.refolded.outputs.get((row.lane_id, row.sequence), ())
                yield Decision(row.lane_id, row.sequence, self.spot(row), self._outputs(told))

    def _buried(self) -> Iterator[Decision]:
        for row in self.history.dead:
            record = self.records.get(self.spot(row))
            refusal = DeadLetter(reason=row.reason, detail=row.detail)
            most = self.history.dead_letter_bytes
            told = () if record is None else (dead_letter(record, refusal, max_bytes=most),)
            yield Decision(row.position.lane_id, row.position.sequence, self.spot(row), self._outputs(told))

    def _outputs(self, messages: tuple[Message, ...]) -> tuple[Bytes, ...]:
        return tuple(self.bytes_of(message) for message in messages)

    def bytes_of(self, message: Message) -> Bytes:
        """What a consumer will see of it."""
        return (self.history.prefix + message.topic, message.key, message.value, message.headers)


def number_of(metadata: str) -> int:
    """The lane's last published number, or -1 where something else stands."""
    found = _MARK.fullmatch(metadata)
    return int(found.group(1)) if found else -1


def key_of(reading: ReceivedEvent) -> EventKey:
    return EventKey(reading.event.customer_id, reading.event_key)


def bytes_of(seen: ConsumedRecord) -> Bytes:
    return (seen.topic, seen.key, seen.value, seen.headers)


def spot_of(seen: ConsumedRecord) -> Spot:
    return (seen.topic, seen.partition, seen.offset)


def named(what: Bytes) -> str:
    """A message in few words."""
    topic, key, _, headers = what
    told = dict(headers)
    names = ("dlq_topic", "dlq_partition", "dlq_offset") if "dlq_offset" in told else ("ce_id",)
    words = [key, *(told.get(name) for name in names)]
    return " ".join([topic, *((word or b"").decode(errors="replace") for word in words)])


def _record(seen: ConsumedRecord) -> Record:
    return Record(
        topic=seen.topic,
        partition=seen.partition,
        offset=seen.offset,
        key=seen.key,
        value=seen.value,
        headers=seen.headers,
    )
