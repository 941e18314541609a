"""Waiting for a server that is away: with back-off, and said once for all lanes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from unenroll.errors import LaneLostError, OutageError, Server, UnenrollError
from unenroll.telemetry.state import GROUP, WaitReason

log = structlog.get_logger()

_FIRST_SECONDS = 0.05
_LONGEST_SECONDS = 2.0
_SILENT_TRIES = 1

DEFINITIONS = "definitions"


@dataclass(frozen=True, slots=True)
class OutageLog:
    """Who of a worker waits for a server, why and since when: an outage meets all its lanes, and is told once."""

    who: dict[str, WaitReason] = field(default_factory=dict)

    def begin(self, who: str, why: UnenrollError) -> None:
        """Somebody waits."""
        if not self.who:
            log.warning("server_unavailable", who=who, why=str(why))
        before = self.who.get(who)
        self.who[who] = WaitReason(str(why), datetime.now(UTC) if before is None else before.since)

    def now_ours(self, lanes: Iterable[int]) -> None:
        """These are the lanes of the worker from now on: another one that waited does so elsewhere."""
        for gone in self.who.keys() - {GROUP, DEFINITIONS, *map(_lane, lanes)}:
            self.end(gone)

    def end(self, who: str) -> None:
        """Somebody goes on, if it waited."""
        if self.who.pop(who, None) is not None and not self.who:
            log.warning("server_available", who=who)


@dataclass(kw_only=True, slots=True)
class Backoff:
    """One lane's: how often it was disappointed in a row."""

    lane: int
    stopping: asyncio.Event
    waiting: OutageLog
    _tries: int = 0

    async def lose(self, error: UnenrollError) -> None:
        """Wait before the next try, longer each time. The first disappointment is nothing to talk about."""
        self._tries += 1
        if self._tries > _SILENT_TRIES:
            self.waiting.begin(_lane(self.lane), error)
        log.debug("batch_retrying", lane=self.lane, tries=self._tries, why=str(error))
        seconds = min(_FIRST_SECONDS * 2 ** min(self._tries, 10), _LONGEST_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    def regain(self) -> None:
        """A try helped."""
        self._tries = 0
        self.waiting.end(_lane(self.lane))


def _lane(number: int) -> str:
    return f"lane {number}"


WAITS = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)

_T = TypeVar("_T")


async def retried(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """What the attempt returns, after some more of them if need be. Raises OutageError if none succeeds.

    An attempt may have happened although it failed: repeating it must be harmless, as the ledger makes it.
    """
    for tries, wait in enumerate(WAITS):
        try:
            return await attempt()
        except (OutageError, LaneLostError) as trouble:
            if tries == 0:
                log.warning("load_retrying", why=str(trouble))
            await asyncio.sleep(wait)
    try:
        return await attempt()
    except LaneLostError as trouble:
        raise OutageError(str(trouble), server=Server.POSTGRES) from trouble
