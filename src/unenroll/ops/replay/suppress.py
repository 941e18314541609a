"""Send the records that the ledger lacks to their input topics, where the lanes decide them. Skip all others."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import asyncpg

from unenroll.core.definitions import TargetGroup
from unenroll.core.events import EventKey
from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.topics import INPUTS
from unenroll.ops.publish import Sender
from unenroll.ops.replay.in_flight import InFlight, RateLimit
from unenroll.ops.replay.ledger_check import LedgerRecord, RecordStatus, ledger_record, record_statuses
from unenroll.ops.replay.selection import ReplaySelection
from unenroll.ops.replay.sources import ReplayDefinition, ReplayEntry, ReplaySource
from unenroll.postgres.definitions import DefinitionCache
from unenroll.wire.decode import ReceivedEvent
from unenroll.wire.topics import Message, Record, batch_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplaySender:
    """Sends records and messages to Kafka. `limits` has the largest batch in bytes of each topic, without prefix."""

    sender: Sender
    prefix: str
    limits: Mapping[str, int]

    def can_send(self, record: Record) -> bool:
        """Whether the record can be sent as it came: its headers are readable, and it fits its topic."""
        message = self._message(record)
        return record.unreadable is None and batch_bytes(message) <= self.limits[message.topic]

    async def send_records(self, records: Sequence[Record]) -> Mapping[TopicPartitionNumber, int]:
        """Send the records in order and wait until they arrived. Returns offsets that all of them lie before.

        Raises OutageError and SetupError.
        """
        await self.send_messages([self._message(record) for record in records])
        inputs = {self.prefix + topic for topic in INPUTS}
        return {partition: end for partition, end in self.sender.ends.items() if partition.topic in inputs}

    async def send_messages(self, messages: Sequence[Message]) -> None:
        """Send the messages in order and wait until they arrived. Raises OutageError and SetupError."""
        await asyncio.to_thread(self._send, messages)

    def _send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.sender.send(message)
        self.sender.finish()

    def _message(self, record: Record) -> Message:
        topic = record.topic.removeprefix(self.prefix)
        return Message(topic=topic, key=record.key, value=record.value, headers=record.headers)


_CHUNK_RECORDS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordReplay:
    """A replay that sends missing records.

    `in_flight` is None if the replay does not wait for the lanes. `counts` has how many records were `read`,
    `unselected`, `decided` or `dead_lettered` before, of `erased` customers, `missing`, or `unsendable`, and how many
    `definitions` are newer than those in force.
    """

    pool: asyncpg.Pool
    selection: ReplaySelection
    sender: ReplaySender
    in_flight: InFlight | None
    rate_limit: RateLimit
    stopping: asyncio.Event
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)
    _cache: DefinitionCache = field(default_factory=DefinitionCache)

    async def run(self, source: ReplaySource) -> None:
        """Replay the source to its end or until stopping, and wait for the lanes.

        Raises OutageError, SetupError, and UnenrollError if the lanes make no progress.
        """
        limit = _CHUNK_RECORDS if self.in_flight is None else min(_CHUNK_RECORDS, self.in_flight.limit)
        async with aclosing(source.chunks(self.rate_limit.burst_size(limit))) as chunks:
            async for chunk in chunks:
                await self._replay_definitions(chunk.definitions)
                await self._replay_entries(chunk.entries)
                if self.stopping.is_set():
                    break
        if self.in_flight is not None:
            await self.in_flight.wait_for_at_most(0, self.stopping)

    async def _replay_entries(self, entries: Sequence[ReplayEntry]) -> None:
        selected = [ledger_record(one.decoded) for one in entries if self._is_selected(one)]
        await self.rate_limit.wait(len(selected), self.stopping)
        statuses = await record_statuses(self.pool, selected, self.in_flight.events if self.in_flight else {})
        by_status = Counter(statuses)
        missing = list(
            _without_repeats(
                one for one, status in zip(selected, statuses, strict=True) if status is RecordStatus.MISSING
            )
        )
        sendable = [one for one in missing if self.sender.can_send(one.record)]
        repeats = by_status[RecordStatus.MISSING] - len(missing)
        self.counts.update(
            read=len(entries),
            unselected=len(entries) - len(selected),
            dead_lettered=by_status[RecordStatus.DEAD_LETTERED],
            erased=by_status[RecordStatus.ERASED],
            decided=by_status[RecordStatus.DECIDED] + repeats,
            missing=len(sendable),
            unsendable=len(missing) - len(sendable),
        )
        if sendable and not self.dry_run:
            await self._send(sendable)

    async def _send(self, records: Sequence[LedgerRecord]) -> None:
        if self.in_flight is not None:
            await self.in_flight.wait_for_at_most(self.in_flight.limit - len(records), self.stopping)
        ends = await self.sender.send_records([one.record for one in records])
        if self.in_flight is not None:
            self.in_flight.add(records, ends)

    def _is_selected(self, entry: ReplayEntry) -> bool:
        content = entry.decoded.content
        if not self.selection.includes_time(entry.at):
            return False
        if not isinstance(content, ReceivedEvent):
            return not self.selection.is_by_account
        return self.selection.includes_account(content.event.customer_id, content.event.target_id)

    async def _replay_definitions(self, definitions: Sequence[ReplayDefinition]) -> None:
        """Send the definitions that are newer than those in force."""
        if not definitions or self.selection.is_by_account:
            return
        group_ids = {one.received.group.group_id for one in definitions}
        in_force = await self._cache.read(self.pool, group_ids=group_ids, target_ids=())
        newer = [
            one
            for one in definitions
            if self.selection.includes_time(one.received.time) and _is_newer(one, in_force.groups)
        ]
        self.counts.update(definitions=len(newer))
        if newer and not self.dry_run:
            await self.sender.send_messages([one.message for one in newer])


def _is_newer(definition: ReplayDefinition, groups: Mapping[int, TargetGroup]) -> bool:
    in_force = groups.get(definition.received.group.group_id)
    return in_force is None or in_force.version < definition.received.group.version


def _without_repeats(records: Iterable[LedgerRecord]) -> Iterator[LedgerRecord]:
    """Yield the records, without those that repeat the event of a record before them."""
    first: dict[EventKey, LedgerRecord] = {}
    for one in records:
        before = one if one.event is None else first.setdefault(one.event.key, one)
        if before is one or before.event != one.event:
            yield one
