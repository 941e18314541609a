"""Ends a process that makes no progress. It runs in a thread of its own, so it works when the event loop is blocked."""

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

from unenroll.telemetry.health import StallDetector
from unenroll.telemetry.state import GROUP, ProcessState, lane_name

log = get_logger()

_CHECK_SECONDS = 0.5
_EXIT_CODE = 1
_GROUP_SECONDS = 90.0  # a session has to expire, and the group has to assign the lanes again


def end_process(lines: Iterable[str]) -> None:
    """Print the lines and exit at once: a clean stop would hang too, and a killed worker loses nothing."""
    try:
        for line in lines:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    finally:
        os._exit(_EXIT_CODE)


@contextmanager
def watchdog(
    state: ProcessState, *, seconds: float, end: Callable[[Iterable[str]], None] = end_process
) -> Iterator[None]:
    """Until the end of the block, end the process if a part of it makes no progress for so many seconds. 0: never."""
    loop = asyncio.get_running_loop()
    over = Event()
    thread = Thread(
        target=_watch,
        args=(state, loop, over),
        kwargs={"seconds": seconds, "end": end},
        name="watchdog",
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_CHECK_SECONDS)


def _watch(
    state: ProcessState,
    loop: asyncio.AbstractEventLoop,
    over: Event,
    *,
    seconds: float,
    end: Callable[[Iterable[str]], None],
) -> None:
    detector = StallDetector(state=state, excuse_seconds=seconds)
    while not over.wait(_CHECK_SECONDS):
        state.stalled = {name: checks * _CHECK_SECONDS for name, checks in detector.check().items() if checks}
        late = {name: since for name, since in state.stalled.items() if seconds and since >= _limit(name, seconds)}
        if late:
            log.critical("progress_stalled", seconds=late, ends="the process")
            end(dump(state, loop))
            return


def _limit(name: str, seconds: float) -> float:
    return max(seconds, _GROUP_SECONDS) if name == GROUP else seconds


def dump(state: ProcessState, loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """The lanes and what waits, and where each task and thread is in the code. Contains no values of variables."""
    yield f"stage: {state.stage}; lanes assigned: {state.lanes_assigned}"
    for number, lane in sorted(dict(state.lanes).items()):
        yield f"{lane_name(number)}: {lane.activity}, published up to {lane.positions}, ends {lane.ends}"
    for name, reason in dict(state.waiting).items():
        yield f"waiting: {name} since {reason.since.isoformat(timespec='seconds')}"
    for task in sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name()):
        yield f"task {task.get_name()!r}: " + (" > ".join(_await_chain(task.get_coro())) or "not started")
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the only way to see other threads
        yield f"thread {names.get(ident, ident)!r}: " + " > ".join(_call_chain(frame))


def _await_chain(coroutine: Any) -> Iterator[str]:  # noqa: ANN401 - coroutines, generators and futures
    """The code locations from the task's own function to what it waits for."""
    while coroutine is not None:
        for kind in ("cr", "gi", "ag"):
            frame: FrameType | None = getattr(coroutine, f"{kind}_frame", None)
            if frame is not None:
                yield _location(frame.f_code, frame.f_lineno)
                coroutine = getattr(coroutine, {"gi": "gi_yieldfrom"}.get(kind, f"{kind}_await"))
                break
        else:
            yield type(coroutine).__name__
            return


def _call_chain(frame: FrameType) -> list[str]:
    """The code locations from the thread's first function to the running one."""
    return [_location(caller.f_code, line) for caller, line in walk_stack(frame)][::-1]


def _location(code: CodeType, line: int) -> str:
    folder, _, file = code.co_filename.replace("\\", "/").rpartition("/")
    return f"{folder.rpartition('/')[2]}/{file}:{line} {code.co_qualname}"
