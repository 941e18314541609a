"""Ends a process that stands still: from a thread of its own, so also when the event loop is held up."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from structlog import get_logger

from unenroll.observe.board import Board
from unenroll.observe.dump import dump
from unenroll.observe.stillness import GROUP, Stillness

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
def watched(board: Board, *, seconds: float, end: Callable[[Iterable[str]], None] = end_the_process) -> Iterator[None]:
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
    board: Board,
    loop: asyncio.AbstractEventLoop,
    over: Event,
    *,
    seconds: float,
    end: Callable[[Iterable[str]], None],
) -> None:
    stillness = Stillness(board=board)
    while not over.wait(_LOOK_SECONDS):
        board.still = {name: looks * _LOOK_SECONDS for name, looks in stillness.look().items() if looks}
        late = {name: since for name, since in board.still.items() if seconds and since >= _patience(name, seconds)}
        if late:
            log.critical("progress_stalled", seconds=late, ends="the process")
            end(dump(board, loop))
            return


def _patience(name: str, seconds: float) -> float:
    return max(seconds, _REBALANCE_SECONDS) if name == GROUP else seconds
