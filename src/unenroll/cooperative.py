"""Runs long work in slices, so that the event loop can send heartbeats and answer calls between them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def map_in_slices(
    work: Callable[[Sequence[Item]], Iterable[Result]], items: Sequence[Item], *, size: int
) -> list[Result]:
    """Call `work` with slices of at most `size` items; return all results in the order of the items."""
    results: list[Result] = []
    for begin in range(0, len(items), size):
        results.extend(work(items[begin : begin + size]))
        await asyncio.sleep(0)
    return results
