"""Sharing the event loop: long work runs in slices, and one request answers all who ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


_SLICE_SECONDS = 0.02


async def map_in_slices(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Call `work` with each item and return the results. Lets other tasks run every 20 ms: one item may be large."""
    results: list[Result] = []
    slice_ends = perf_counter() + _SLICE_SECONDS
    for item in items:
        results.append(work(item))
        if perf_counter() >= slice_ends:
            await asyncio.sleep(0)
            slice_ends = perf_counter() + _SLICE_SECONDS
    return results


class SharedCalls(Generic[Result]):
    """Calls `request` for all who wait: each of them gets the result of a call that began after it asked.

    At most one call runs, and those who ask meanwhile share the next one.
    """

    def __init__(self, request: Callable[[], Awaitable[Result]]) -> None:
        self._request = request
        self._running: asyncio.Task[Result] | None = None
        self._next: asyncio.Task[Result] | None = None

    async def call(self) -> Result:
        """Return the result of a call that begins after this moment. Raises what it raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._run_after(self._running))
            self._next.add_done_callback(_retrieve)
        return await asyncio.shield(self._next)

    async def _run_after(self, running: "asyncio.Task[Result] | None") -> Result:
        if running is not None:
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        return await self._request()


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Retrieve the error, so that asyncio does not log it if all who waited were canceled."""
    if not task.cancelled():
        task.exception()
