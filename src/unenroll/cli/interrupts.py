"""Ctrl-C, once: finish what is under way. Twice: end at once."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_STOPPING = "stopping behind what is under way; once more ends at once\n"


def until_interrupted(work: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    """What the work returns, which is told by the event that it is to stop."""
    return asyncio.run(_run(work))


async def _run(work: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        sys.stderr.write(_STOPPING)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return await work(stopping)
