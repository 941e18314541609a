"""Liveness and readiness: answers from the state of the process, without a request to any server."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic, perf_counter
from typing import Any

from prometheus_client import Histogram

from unenroll.errors import UnenrollError
from unenroll.telemetry.http import PageResponse
from unenroll.telemetry.state import GROUP, ProcessStage, ProcessState, WaitReason, describe_wait, lane_name

EVENT_LOOP = "the event loop"

_OK, _UNAVAILABLE = 200, 503
_JSON = "application/json"
_SECONDS_BETWEEN_CHECKS = 5.0
_CHECK_SECONDS = 5.0
_BEAT_SECONDS = 0.25
_UNREAD_SECONDS = 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The health pages. A process that makes no progress for `seconds` is not alive; 0: it always is."""

    state: ProcessState
    seconds: float

    def alive(self) -> PageResponse:
        """200 while the process makes progress or has a reason not to, else 503."""
        late = {name: since for name, since in self.state.stalled.items() if self.seconds and since >= self.seconds}
        body = {
            "alive": not late,
            "stage": self.state.stage,
            "why": [f"{name}: no progress for {since:.0f} s" for name, since in late.items()] or list(self._reasons()),
            "last_progress": datetime.fromtimestamp(self.state.progress_at, UTC).isoformat(timespec="seconds"),
        }
        return _json(body, healthy=not late)

    def ready(self) -> PageResponse:
        """200 while all assigned lanes, perhaps none, are open and both servers answer, else 503."""
        missing = list(self._missing())
        lanes = {str(number): lane.activity for number, lane in sorted(self.state.lanes.items())}
        return _json({"ready": not missing, "missing": missing, "lanes": lanes}, healthy=not missing)

    def _reasons(self) -> Iterator[str]:
        state = self.state
        if state.stage is not ProcessStage.WORKING:
            yield state.stage
        yield from (f"waiting: {wait}" for wait in self._waits())
        if any(lane.busy for lane in state.lanes.values()):
            yield "working"
        elif state.stage is ProcessStage.WORKING:
            yield "nothing to do"

    def _waits(self) -> Iterator[str]:
        yield from (describe_wait(name, reason) for name, reason in self.state.waiting.items())
        yield from (describe_wait(server, outage) for server, outage in self.state.servers.items() if outage)

    def _missing(self) -> Iterator[str]:
        state = self.state
        if state.stage is not ProcessStage.WORKING:
            yield f"the process is {state.stage}"
        if not state.servers:
            yield "no server was checked yet"
        yield from self._waits()
        if state.stage is ProcessStage.WORKING and not state.lanes_assigned:
            yield "the consumer group has not assigned lanes yet"
        yield from (f"{lane_name(number)}: {lane.activity}" for number, lane in state.lanes.items() if not lane.open)
        yield from (f"{lane_name(number)}: gets no records though some wait" for number in self._not_reading())

    def _not_reading(self) -> Iterator[int]:
        for number, lane in self.state.lanes.items():
            if lane.unread_since is not None and monotonic() - lane.unread_since > _UNREAD_SECONDS:
                yield number


def _json(body: dict[str, Any], *, healthy: bool) -> PageResponse:
    return PageResponse(_OK if healthy else _UNAVAILABLE, _JSON, json.dumps(body).encode() + b"\n")


@dataclass(kw_only=True, slots=True)
class StallDetector:
    """Counts for how many checks each part of the process has made no progress.

    A wait for a server excuses a part for `excuse_seconds` at most while the servers answer.
    """

    state: ProcessState
    excuse_seconds: float
    _marks: dict[str, object] = field(default_factory=dict)
    _checks: dict[str, int] = field(default_factory=dict)

    def check(self) -> dict[str, int]:
        """The number of checks without progress, for each part that should make progress now."""
        marks = dict(self._progress_marks())
        self._checks = {
            name: self._checks.get(name, 0) + 1 if self._marks.get(name) == mark else 0 for name, mark in marks.items()
        }
        self._marks = marks
        return self._checks

    def _progress_marks(self) -> Iterator[tuple[str, object]]:
        """Each part that should make progress, with a value that changes when it does."""
        state = self.state
        yield EVENT_LOOP, state.beats
        if state.stage is not ProcessStage.WORKING:
            return
        if not state.lanes_assigned and not self._is_excused(GROUP):
            yield GROUP, "no lanes"
        for number, lane in dict(state.lanes).items():
            if lane.busy and not self._is_excused(lane_name(number)):
                yield lane_name(number), (lane, dict(lane.positions))  # only published records are progress

    def _is_excused(self, name: str) -> bool:
        """Whether the part waits for a server. While all servers answer our own check, not for ever.

        What waits then has a broken connection, perhaps, and a new process has none.
        """
        state = self.state
        if not state.servers_answer:
            return True
        reasons = [state.waiting[one] for one in (GROUP, name) if one in state.waiting]
        return any((datetime.now(UTC) - reason.since).total_seconds() < self.excuse_seconds for reason in reasons)


ServerCheck = Callable[[], Awaitable[None]]
"""Raises UnenrollError if the server does not answer as it should."""


async def check_servers(state: ProcessState, checks: Mapping[str, ServerCheck]) -> None:
    """Check each server for ever, and keep the results in the state."""
    while True:
        for server, check in checks.items():
            state.servers[server] = await _outage(check, state.servers.get(server))
        await asyncio.sleep(_SECONDS_BETWEEN_CHECKS)


async def _outage(check: ServerCheck, before: WaitReason | None) -> WaitReason | None:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except (UnenrollError, TimeoutError) as error:
        why = f"no answer within {_CHECK_SECONDS:.0f} s" if isinstance(error, TimeoutError) else str(error)
        return WaitReason(why, datetime.now(UTC) if before is None else before.since)
    return None


async def heartbeat(state: ProcessState, lag: Histogram) -> None:
    """Count the turns of the event loop for ever, and observe how late it ends a wait of a quarter of a second."""
    while True:
        began = perf_counter()
        await asyncio.sleep(_BEAT_SECONDS)
        lag.observe(max(0.0, perf_counter() - began - _BEAT_SECONDS))
        state.beats += 1
