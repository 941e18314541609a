"""No more than so many a second, evenly."""

import asyncio
from contextlib import suppress
from time import monotonic

_FITS = 0.1


class Pace:
    """`rate` a second; None: as fast as can be."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._next = monotonic()

    def at_once(self, most: int) -> int:
        """How many may go together, of `most`, without going in fits and starts."""
        return most if self._rate is None else max(1, min(most, int(self._rate * _FITS)))

    async def wait(self, count: int, stopping: asyncio.Event) -> None:
        """Return when it is the turn of so many more, or when stopping."""
        if self._rate is None:
            return
        turn = max(self._next, monotonic())
        self._next = turn + count / self._rate
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), max(0.0, turn - monotonic()))
