"""Long work in turns: the event loop is free in between, so that neither heartbeats nor answers have to wait."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def yielding(
    work: Callable[[Sequence[Item]], Iterable[Result]], items: Sequence[Item], *, at_once: int
) -> list[Result]:
    """All that the work makes of the items, of which it is given so many `at_once` at the most, in their order."""
    results: list[Result] = []
    for begin in range(0, len(items), at_once):
        results.extend(work(items[begin : begin + at_once]))
        await asyncio.sleep(0)
    return results
