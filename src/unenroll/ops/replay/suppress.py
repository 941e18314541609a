"""What is missing is sent to its topic, and what was decided before is not: the lanes decide, each event once."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import asyncpg

from unenroll.core.events import EventKey
from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.topics import INPUTS
from unenroll.ops.publish import Sender
from unenroll.ops.replay.in_flight import InFlight, RateLimit
from unenroll.ops.replay.ledger_check import LedgerRecord, RecordFate, ledger_records, record_fates
from unenroll.ops.replay.selection import ReplaySelection
from unenroll.ops.replay.sources import ReplayDefinition, ReplayEntry, ReplaySource
from unenroll.postgres.definitions import DefinitionCache
from unenroll.wire.decode import Received
from unenroll.wire.topics import Message, Record, batch_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplaySender:
    """`limits` has the most bytes that a batch to each topic may have, by the topic's word."""

    sender: Sender
    prefix: str
    limits: Mapping[str, int]

    def fits(self, record: Record) -> bool:
        """Whether the record can be sent as it was: a copy may take more, and headers may not be readable."""
        message = self._message(record)
        return record.unreadable is None and batch_bytes(message) <= self.limits[message.topic]

    async def send(self, records: Sequence[Record]) -> Mapping[TopicPartitionNumber, int]:
        """Send them in order. Returns when all are there: before which offsets. Raises OutageError and SetupError."""
        await self.tell([self._message(record) for record in records])
        inputs = {self.prefix + word for word in INPUTS}
        return {place: end for place, end in self.sender.ends.items() if place.topic in inputs}

    async def tell(self, messages: Sequence[Message]) -> None:
        """The same of messages."""
        await asyncio.to_thread(self._send, messages)

    def _send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.sender.send(message)
        self.sender.finish()

    def _message(self, record: Record) -> Message:
        word = record.topic.removeprefix(self.prefix)
        return Message(topic=word, key=record.key, value=record.value, headers=record.headers)


_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordReplay:
    """A replay that publishes nothing for what was decided before.

    `lead` None: what the lanes decide is not waited for. `counts` has how many records were `read`, `unchosen`,
    `decided` or `buried` before, of customers `erased` since, `missing`, `unsendable` as they are, and how many
    `definitions` are newer than those in force.
    """

    pool: asyncpg.Pool
    selection: ReplaySelection
    sending: ReplaySender
    lead: InFlight | None
    pace: RateLimit
    stopping: asyncio.Event
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)
    _cache: DefinitionCache = field(default_factory=DefinitionCache)

    async def run(self, source: ReplaySource) -> None:
        """Replay what the source has, until stopping. Raises OutageError, SetupError, and UnenrollError as `Lead`."""
        most = _AT_ONCE if self.lead is None else min(_AT_ONCE, self.lead.most)
        async with aclosing(source.chunks(self.pace.at_once(most))) as chunks:
            async for chunk in chunks:
                await self._define(chunk.definitions)
                await self._take(chunk.entries)
                if self.stopping.is_set():
                    break
        if self.lead is not None:
            await self.lead.shrink(0, self.stopping)

    async def _take(self, entries: Sequence[ReplayEntry]) -> None:
        chosen = [ledger_records(one.reading) for one in entries if self._chosen(one)]
        await self.pace.wait(len(chosen), self.stopping)
        found = await record_fates(self.pool, chosen, self.lead.under_way if self.lead else {})
        missing = list(_once(one for one, fate in zip(chosen, found, strict=True) if fate is RecordFate.MISSING))
        sendable = [one for one in missing if self.sending.fits(one.record)]
        buried, erased = found.count(RecordFate.BURIED), found.count(RecordFate.ERASED)
        self.counts.update(
            read=len(entries),
            unchosen=len(entries) - len(chosen),
            buried=buried,
            erased=erased,
            decided=len(chosen) - buried - erased - len(missing),
            missing=len(sendable),
            unsendable=len(missing) - len(sendable),
        )
        if sendable and not self.dry_run:
            await self._send(sendable)

    async def _send(self, records: Sequence[LedgerRecord]) -> None:
        if self.lead is not None:
            await self.lead.shrink(self.lead.most - len(records), self.stopping)
        ends = await self.sending.send([one.record for one in records])
        if self.lead is not None:
            self.lead.add(records, ends)

    def _chosen(self, entry: ReplayEntry) -> bool:
        content = entry.reading.content
        if not self.selection.at(entry.at):
            return False
        if not isinstance(content, Received):
            return not self.selection.of_accounts
        return self.selection.of(content.event.customer_id, content.event.target_id)

    async def _define(self, definitions: Sequence[ReplayDefinition]) -> None:
        """Send the definitions that are newer than those in force."""
        if not definitions or self.selection.of_accounts:
            return
        group_ids = {one.received.group.group_id for one in definitions}
        await self._cache.look(self.pool, group_ids=group_ids, target_ids=())
        newer = [one for one in definitions if self.selection.at(one.received.time) and self._newer(one)]
        self.counts.update(definitions=len(newer))
        if newer and not self.dry_run:
            await self.sending.tell([one.message for one in newer])

    def _newer(self, one: ReplayDefinition) -> bool:
        in_force = self._cache.known.groups.get(one.received.group.group_id)
        return in_force is None or in_force.version < one.received.group.version


def _once(records: Iterable[LedgerRecord]) -> Iterator[LedgerRecord]:
    """The records without those that repeat one before them."""
    known: dict[EventKey, LedgerRecord] = {}
    for one in records:
        before = one if one.event is None else known.setdefault(one.event.key, one)
        if before is one or before.event != one.event:
            yield one
