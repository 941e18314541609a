"""Whether the process is alive, and whether it is of use: from what is known, without asking anybody."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from prometheus_client import Histogram

from unenroll.errors import OutageError, UnenrollError
from unenroll.telemetry.http import PageResponse
from unenroll.telemetry.state import ProcessStage, ProcessState, WaitReason, told

_OK, _UNAVAILABLE = 200, 503
_JSON = "application/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """What is answered. `seconds`: after how long without progress a process is not well any more; 0: it always is."""

    board: ProcessState
    seconds: float

    def alive(self) -> PageResponse:
        """200 while there is progress or a reason for none, else 503."""
        late = {name: since for name, since in self.board.still.items() if self.seconds and since >= self.seconds}
        body = {
            "alive": not late,
            "stage": self.board.stage,
            "why": [f"{name}: no progress for {since:.0f} s" for name, since in late.items()] or list(self._reasons()),
            "last_progress": datetime.fromtimestamp(self.board.progress_at, UTC).isoformat(timespec="seconds"),
        }
        return _answer(body, well=not late)

    def ready(self) -> PageResponse:
        """200 while the lanes are open, perhaps none, and both servers answer, else 503."""
        missing = list(self._missing())
        lanes = {str(number): lane.doing for number, lane in sorted(self.board.lanes.items())}
        return _answer({"ready": not missing, "missing": missing, "lanes": lanes}, well=not missing)

    def _reasons(self) -> Iterator[str]:
        board = self.board
        if board.stage is not ProcessStage.WORKING:
            yield board.stage
        yield from (f"waiting: {words}" for words in self._waiting())
        if any(lane.busy for lane in board.lanes.values()):
            yield "working"
        elif board.stage is ProcessStage.WORKING:
            yield "nothing to do"

    def _waiting(self) -> Iterator[str]:
        yield from (told(who, waited) for who, waited in self.board.waiting.items())
        yield from (told(server, away) for server, away in self.board.servers.items() if away)

    def _missing(self) -> Iterator[str]:
        board = self.board
        if board.stage is not ProcessStage.WORKING:
            yield f"it is {board.stage}"
        if not board.servers:
            yield "no server was asked yet"
        yield from self._waiting()
        if board.stage is ProcessStage.WORKING and not board.given:
            yield "the group has not said which lanes are ours"
        yield from (f"lane {number}: {lane.doing}" for number, lane in board.lanes.items() if not lane.open)


def _answer(body: dict[str, Any], *, well: bool) -> PageResponse:
    return PageResponse(_OK if well else _UNAVAILABLE, _JSON, json.dumps(body).encode() + b"\n")


LOOP = "the event loop"
GROUP = "the group"


@dataclass(kw_only=True, slots=True)
class StallDetector:
    """What was seen at the last look, and since how many looks it has not changed."""

    board: ProcessState
    _seen: dict[str, object] = field(default_factory=dict)
    _looks: dict[str, int] = field(default_factory=dict)

    def look(self) -> dict[str, int]:
        """Since how many looks each of those stands still that should move."""
        now = dict(self._expected())
        self._looks = {
            name: self._looks.get(name, 0) + 1 if self._seen.get(name) == mark else 0 for name, mark in now.items()
        }
        self._seen = now
        return self._looks

    def _expected(self) -> Iterator[tuple[str, object]]:
        """Who should move, and what shows that it does."""
        board = self.board
        yield LOOP, board.beats
        if board.stage is not ProcessStage.WORKING:
            return
        if not board.given and not any(board.excuses(None)):
            yield GROUP, "gives no lanes"
        for number, lane in dict(board.lanes).items():
            if lane.busy and not any(board.excuses(number)):
                yield f"lane {number}", (lane, dict(lane.positions))  # where it stands: being busy is no progress


_SECONDS_BETWEEN = 5.0
_ANSWER_SECONDS = 5.0

Question = Callable[[], Awaitable[None]]
"""Raises UnenrollError if the server does not answer as it should."""


async def keep_asking(board: ProcessState, questions: Mapping[str, Question]) -> None:
    """Ask each server for ever, and note on the board what is known of it."""
    while True:
        for server, question in questions.items():
            board.servers[server] = await _asked(question, board.servers.get(server))
        await asyncio.sleep(_SECONDS_BETWEEN)


async def _asked(question: Question, before: WaitReason | None) -> WaitReason | None:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await question()
    except (UnenrollError, TimeoutError) as error:
        since = datetime.now(UTC) if before is None else before.since
        return WaitReason(_why(error), since)
    return None


def _why(error: UnenrollError | TimeoutError) -> str:
    if isinstance(error, OutageError):
        return str(error)
    return f"no answer within {_ANSWER_SECONDS:.0f} s" if isinstance(error, TimeoutError) else str(error)


_SECONDS = 0.25


async def heartbeat(board: ProcessState, lag: Histogram) -> None:
    """Beat for ever."""
    while True:
        began = perf_counter()
        await asyncio.sleep(_SECONDS)
        lag.observe(max(0.0, perf_counter() - began - _SECONDS))
        board.beats += 1
