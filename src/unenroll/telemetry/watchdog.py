"""Ends a process that stands still: from a thread of its own, so also when the event loop is held up."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from traceback import walk_stack
from types import CodeType, FrameType
from typing import Any

from structlog import get_logger

from unenroll.telemetry.health import GROUP, StallDetector
from unenroll.telemetry.state import ProcessState


def dump(board: ProcessState, loop: asyncio.AbstractEventLoop) -> Iterator[str]:
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


log = get_logger()

_LOOK_SECONDS = 0.5
_FAILED = 1
_REBALANCE_SECONDS = 90.0  # a session that ends, and who shares the lanes out anew


def end_the_process(lines: Iterable[str]) -> None:
    """Say what is known and be gone: whoever hangs would hang in a clean stop too, and a kill loses nothing."""
    try:
        for line in lines:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    finally:
        os._exit(_FAILED)


@contextmanager
def under_watchdog(
    board: ProcessState, *, seconds: float, end: Callable[[Iterable[str]], None] = end_the_process
) -> Iterator[None]:
    """Until the end of the block, end the process once something on the board stood still so long. 0: never."""
    over = Event()
    loop = asyncio.get_running_loop()
    thread = Thread(
        target=_watch, args=(board, loop, over), kwargs={"seconds": seconds, "end": end}, name="watchdog", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_LOOK_SECONDS)


def _watch(
    board: ProcessState,
    loop: asyncio.AbstractEventLoop,
    over: Event,
    *,
    seconds: float,
    end: Callable[[Iterable[str]], None],
) -> None:
    stillness = StallDetector(board=board)
    while not over.wait(_LOOK_SECONDS):
        board.still = {name: looks * _LOOK_SECONDS for name, looks in stillness.look().items() if looks}
        late = {name: since for name, since in board.still.items() if seconds and since >= _patience(name, seconds)}
        if late:
            log.critical("progress_stalled", seconds=late, ends="the process")
            end(dump(board, loop))
            return


def _patience(name: str, seconds: float) -> float:
    return max(seconds, _REBALANCE_SECONDS) if name == GROUP else seconds
