"""What a process waits for: where every task and every thread stands. Places in the code only, no values."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from traceback import walk_stack
from types import CodeType, FrameType
from typing import Any

from unenroll.observe.board import Board


def dump(board: Board, loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """Its lines."""
    yield f"stage: {board.stage}; lanes given: {board.given}"
    for number, lane in sorted(dict(board.lanes).items()):
        yield f"lane {number}: {lane.doing}, published up to {lane.positions}, ends {lane.ends}"
    for who, waited in dict(board.waiting).items():
        yield f"waiting: {who} since {waited.since.isoformat(timespec='seconds')}"
    for task in sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name()):
        yield f"task {task.get_name()!r}: " + (" > ".join(_awaited(task.get_coro())) or "not begun")
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the only way to see other threads
        yield f"thread {names.get(ident, ident)!r}: " + " > ".join(_called(frame))


def _awaited(coroutine: Any) -> Iterator[str]:  # noqa: ANN401 - coroutines, generators, futures: whatever is awaited
    """From the task's own function to what it waits for at last."""
    while coroutine is not None:
        for kind in ("cr", "gi", "ag"):
            frame: FrameType | None = getattr(coroutine, f"{kind}_frame", None)
            if frame is not None:
                yield _place(frame.f_code, frame.f_lineno)
                coroutine = getattr(coroutine, {"gi": "gi_yieldfrom"}.get(kind, f"{kind}_await"))
                break
        else:
            yield type(coroutine).__name__
            return


def _called(frame: FrameType) -> list[str]:
    """From the thread's first function to the one that runs."""
    return [_place(called.f_code, line) for called, line in walk_stack(frame)][::-1]


def _place(code: CodeType, line: int) -> str:
    folder, _, file = code.co_filename.replace("\\", "/").rpartition("/")
    return f"{folder.rpartition('/')[2]}/{file}:{line} {code.co_qualname}"
