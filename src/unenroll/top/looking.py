"""Looking again and again: at the lanes each time, at the tables that grow for a twentieth of the time at most."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from typing import TypeVar

from unenroll.errors import OutageError, SetupError
from unenroll.moments import duration
from unenroll.settings import WorkerSettings
from unenroll.status.progress import Progress, progress, said
from unenroll.store.connect import check_tables, connected
from unenroll.store.leases import holders
from unenroll.store.overview import known_lanes
from unenroll.store.totals import Totals, totals
from unenroll.stream.cluster import Cluster
from unenroll.top.view import Seen

_REST = 20
"""Counting rests for so many times as long as it took: it is a full reading of the ledger."""

Answer = TypeVar("Answer", Progress, Totals)


@dataclass(kw_only=True, slots=True)
class Looks:
    """Looks at one group, none of which changes or locks anything. At most two connections to Postgres at once."""

    settings: WorkerSettings
    _cluster: Cluster
    _seen: Seen
    _counting: "asyncio.Task[Totals] | None" = None
    _count_from: float = 0.0
    _asked_at: datetime | None = None
    _no_progress: str | None = None
    _no_totals: str | None = None

    @classmethod
    def at(cls, settings: WorkerSettings) -> "Looks":
        """Nothing seen yet."""
        seen = Seen(at=datetime.now(UTC), topic_prefix=settings.topic_prefix, group_id=settings.group_id)
        return cls(settings=settings, _cluster=Cluster(settings), _seen=seen)

    async def first(self) -> Seen:
        """The first look, whole. Raises SetupError and OutageError."""
        found, counted = await asyncio.gather(self._progress(), self._totals())
        return self._keep(now=found, counted=counted)

    async def again(self) -> Seen:
        """One more look. What has no answer stays as it was seen last, with the trouble beside it."""
        if self._counting is None and monotonic() >= self._count_from:
            self._counting = asyncio.ensure_future(self._totals())
        found: Progress | None = None
        self._asked_at = datetime.now(UTC)
        try:
            found = await self._progress()
            self._no_progress = None
        except (OutageError, SetupError) as error:
            self._no_progress = str(error)
        return self._keep(now=found, counted=self._counted())

    def meanwhile(self) -> Seen:
        """What was seen last, while a look takes longer than it should."""
        since = self._asked_at or self._seen.at
        now = datetime.now(UTC)
        slow = f"no answer from Kafka or Postgres for {duration(now - since)}"
        return replace(self._seen, at=now, trouble=tuple(dict.fromkeys([*self._seen.trouble, slow])))

    async def end(self, look: "asyncio.Task[Seen] | None") -> None:
        """Wait for nothing any more, nor for this look."""
        for task in (self._counting, look):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError, OutageError, SetupError):
                    await task

    def _counted(self) -> Totals | None:
        if self._counting is None or not self._counting.done():
            return None
        counting, self._counting = self._counting, None
        try:
            found = counting.result()
        except (OutageError, SetupError) as error:
            self._no_totals = str(error)
            return None
        self._no_totals = None
        return found

    def _keep(self, *, now: Progress | None, counted: Totals | None) -> Seen:
        before = self._seen
        self._seen = replace(
            before,
            at=datetime.now(UTC),
            before=before.now if now else before.before,
            now=now or before.now,
            counted_before=before.counted if counted else before.counted_before,
            counted=counted or before.counted,
            trouble=tuple(dict.fromkeys(why for why in (self._no_progress, self._no_totals) if why)),
        )
        return self._seen

    async def _progress(self) -> Progress:
        settings = self.settings
        async with connected(settings.database_url, connections=1) as pool:
            await check_tables(pool)
            kafka = await said(settings, self._cluster)
            alone = await holders(pool, topic_prefix=settings.topic_prefix, group_id=settings.group_id)
            lanes = await known_lanes(pool, topic_prefix=settings.topic_prefix, group_id=settings.group_id)
        return await progress(settings, self._cluster, said=kafka, lanes=lanes, alone=alone)

    async def _totals(self) -> Totals:
        began = monotonic()
        try:
            async with connected(self.settings.database_url, connections=1) as pool:
                await check_tables(pool)
                return await totals(pool)
        finally:
            self._count_from = monotonic() + _REST * (monotonic() - began)
