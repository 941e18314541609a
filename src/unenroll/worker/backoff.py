"""Waiting for a server that is away: how long before the next try, and who waits for it since when."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from unenroll.errors import LaneLostError, OutageError, Server, UnenrollError
from unenroll.telemetry.state import GROUP, WaitReason, lane_name

log = structlog.get_logger()

DEFINITIONS, RESETTLEMENT = "definitions", "resettlement"
"""The tasks that read topic `definitions` and settle accounts again, beside those of the group and the lanes."""

_FIRST_SECONDS = 0.05
_LONGEST_SECONDS = 2.0
_SILENT_TRIES = 1
RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class OutageLog:
    """The tasks of a worker that wait for a server. Logs one line when the first begins, one when the last ends."""

    waiting: dict[str, WaitReason] = field(default_factory=dict)

    def begin(self, who: str, error: UnenrollError) -> None:
        """The task `who` waits because of this error."""
        if not self.waiting:
            log.warning("server_unavailable", who=who, why=str(error))
        before = self.waiting.get(who)
        self.waiting[who] = WaitReason(str(error), datetime.now(UTC) if before is None else before.since)

    def end(self, who: str) -> None:
        """The task `who` does not wait any more."""
        if self.waiting.pop(who, None) is not None and not self.waiting:
            log.warning("server_available", who=who)

    def keep_lanes(self, lanes: Iterable[int]) -> None:
        """Only these lanes may wait from now on: the group has revoked the others."""
        for revoked in self.waiting.keys() - {GROUP, DEFINITIONS, RESETTLEMENT, *map(lane_name, lanes)}:
            self.end(revoked)


@dataclass(kw_only=True, slots=True)
class Backoff:
    """The waits of one lane between its tries: each twice as long as the one before, 2 s at most."""

    lane: int
    stopping: asyncio.Event
    outages: OutageLog
    _tries: int = 0

    async def wait(self, error: UnenrollError) -> None:
        """Wait before the next try. Returns early when the lane has to stop. The first failure is not logged."""
        self._tries += 1
        if self._tries > _SILENT_TRIES:
            self.outages.begin(lane_name(self.lane), error)
        log.debug("batch_retrying", lane=self.lane, tries=self._tries, why=str(error))
        seconds = min(_FIRST_SECONDS * 2 ** min(self._tries, 10), _LONGEST_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    def reset(self) -> None:
        """A try has succeeded."""
        self._tries = 0
        self.outages.end(lane_name(self.lane))


async def retry(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """Call `attempt` until it succeeds, seven times at most. Returns its result, or raises OutageError.

    A failed attempt may have succeeded on the server, so repeating it must be harmless: the ledger makes it so.
    """
    for tries, seconds in enumerate(RETRY_SECONDS):
        try:
            return await attempt()
        except (OutageError, LaneLostError) as error:
            if tries == 0:
                log.warning("load_retrying", why=str(error))
            await asyncio.sleep(seconds)
    try:
        return await attempt()
    except LaneLostError as error:
        raise OutageError(str(error), server=Server.POSTGRES) from error
