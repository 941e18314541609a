"""The pulse of the event loop: that it turns, and how late it is."""

import asyncio
from time import perf_counter

from prometheus_client import Histogram

from unenroll.observe.board import Board

_SECONDS = 0.25


async def beat(board: Board, lag: Histogram) -> None:
    """Beat for ever."""
    while True:
        began = perf_counter()
        await asyncio.sleep(_SECONDS)
        lag.observe(max(0.0, perf_counter() - began - _SECONDS))
        board.beats += 1
