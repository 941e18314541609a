"""What is missing is sent to its topic, and what was decided before is not: the lanes decide, each event once."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import asyncpg

from unenroll.replay.holding import Fate, Held, fates, held
from unenroll.replay.lead import Lead
from unenroll.replay.pace import Pace
from unenroll.replay.selection import Selection
from unenroll.replay.sending import Sending
from unenroll.replay.source import Definition, Entry, Source
from unenroll.store.definitions import DefinitionCache
from unenroll.store.ledger import EventKey
from unenroll.wire.decode import Received

_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppressing:
    """A replay that publishes nothing for what was decided before.

    `lead` None: what the lanes decide is not waited for. `counts` has how many records were `read`, `unchosen`,
    `decided` or `buried` before, of customers `erased` since, `missing`, `unsendable` as they are, and how many
    `definitions` are newer than those in force.
    """

    pool: asyncpg.Pool
    selection: Selection
    sending: Sending
    lead: Lead | None
    pace: Pace
    stopping: asyncio.Event
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)
    _cache: DefinitionCache = field(default_factory=DefinitionCache)

    async def run(self, source: Source) -> None:
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

    async def _take(self, entries: Sequence[Entry]) -> None:
        chosen = [held(one.reading) for one in entries if self._chosen(one)]
        await self.pace.wait(len(chosen), self.stopping)
        found = await fates(self.pool, chosen, self.lead.under_way if self.lead else {})
        missing = list(_once(one for one, fate in zip(chosen, found, strict=True) if fate is Fate.MISSING))
        sendable = [one for one in missing if self.sending.fits(one.record)]
        buried, erased = found.count(Fate.BURIED), found.count(Fate.ERASED)
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

    async def _send(self, records: Sequence[Held]) -> None:
        if self.lead is not None:
            await self.lead.shrink(self.lead.most - len(records), self.stopping)
        ends = await self.sending.send([one.record for one in records])
        if self.lead is not None:
            self.lead.add(records, ends)

    def _chosen(self, entry: Entry) -> bool:
        content = entry.reading.content
        if not self.selection.at(entry.at):
            return False
        if not isinstance(content, Received):
            return not self.selection.of_accounts
        return self.selection.of(content.event.customer_id, content.event.target_id)

    async def _define(self, definitions: Sequence[Definition]) -> None:
        """Send the definitions that are newer than those in force."""
        if not definitions or self.selection.of_accounts:
            return
        group_ids = {one.received.group.group_id for one in definitions}
        await self._cache.look(self.pool, group_ids=group_ids, target_ids=())
        newer = [one for one in definitions if self.selection.at(one.received.time) and self._newer(one)]
        self.counts.update(definitions=len(newer))
        if newer and not self.dry_run:
            await self.sending.tell([one.message for one in newer])

    def _newer(self, one: Definition) -> bool:
        in_force = self._cache.known.groups.get(one.received.group.group_id)
        return in_force is None or in_force.version < one.received.group.version


def _once(records: Iterable[Held]) -> Iterator[Held]:
    """The records without those that repeat one before them."""
    known: dict[EventKey, Held] = {}
    for one in records:
        before = one if one.event is None else known.setdefault(one.event.key, one)
        if before is one or before.event != one.event:
            yield one
