"""For how long nothing has moved that should: counted in looks, so that a process that was frozen is not blamed."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from unenroll.observe.board import Board, Stage

LOOP = "the event loop"
GROUP = "the group"


@dataclass(kw_only=True, slots=True)
class Stillness:
    """What was seen at the last look, and since how many looks it has not changed."""

    board: Board
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
        if board.stage is not Stage.WORKING:
            return
        if not board.given and not any(board.excuses(None)):
            yield GROUP, "gives no lanes"
        for number, lane in dict(board.lanes).items():
            if lane.busy and not any(board.excuses(number)):
                yield f"lane {number}", (lane, dict(lane.positions))  # where it stands: being busy is no progress
