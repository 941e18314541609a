"""Whether the process is alive, and whether it is of use: from what is known, without asking anybody."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from unenroll.observe.board import Board, Stage, told
from unenroll.observe.pages import Answer

_OK, _UNAVAILABLE = 200, 503
_JSON = "application/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """What is answered. `seconds`: after how long without progress a process is not well any more; 0: it always is."""

    board: Board
    seconds: float

    def alive(self) -> Answer:
        """200 while there is progress or a reason for none, else 503."""
        late = {name: since for name, since in self.board.still.items() if self.seconds and since >= self.seconds}
        body = {
            "alive": not late,
            "stage": self.board.stage,
            "why": [f"{name}: no progress for {since:.0f} s" for name, since in late.items()] or list(self._reasons()),
            "last_progress": datetime.fromtimestamp(self.board.progress_at, UTC).isoformat(timespec="seconds"),
        }
        return _answer(body, well=not late)

    def ready(self) -> Answer:
        """200 while the lanes are open, perhaps none, and both servers answer, else 503."""
        missing = list(self._missing())
        lanes = {str(number): lane.doing for number, lane in sorted(self.board.lanes.items())}
        return _answer({"ready": not missing, "missing": missing, "lanes": lanes}, well=not missing)

    def _reasons(self) -> Iterator[str]:
        board = self.board
        if board.stage is not Stage.WORKING:
            yield board.stage
        yield from (f"waiting: {words}" for words in self._waiting())
        if any(lane.busy for lane in board.lanes.values()):
            yield "working"
        elif board.stage is Stage.WORKING:
            yield "nothing to do"

    def _waiting(self) -> Iterator[str]:
        yield from (told(who, waited) for who, waited in self.board.waiting.items())
        yield from (told(server, away) for server, away in self.board.servers.items() if away)

    def _missing(self) -> Iterator[str]:
        board = self.board
        if board.stage is not Stage.WORKING:
            yield f"it is {board.stage}"
        if not board.servers:
            yield "no server was asked yet"
        yield from self._waiting()
        if board.stage is Stage.WORKING and not board.given:
            yield "the group has not said which lanes are ours"
        yield from (f"lane {number}: {lane.doing}" for number, lane in board.lanes.items() if not lane.open)


def _answer(body: dict[str, Any], *, well: bool) -> Answer:
    return Answer(_OK if well else _UNAVAILABLE, _JSON, json.dumps(body).encode() + b"\n")
