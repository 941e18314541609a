"""Waiting for decisions: one statement polls for all waiting calls."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from time import monotonic

import asyncpg

from unenroll.errors import OutageError, UnenrollError
from unenroll.store.front_door import Fate, Sought, fates_of

_LOOK_SECONDS = 0.02
_AFTER_OUTAGE_SECONDS = 1.0

_Answer = asyncio.Future[Fate]


class Waiting:
    """Polls only while calls wait, and at most half of the time."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._waited: defaultdict[Sought, set[_Answer]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None

    async def fate(self, sought: Sought, *, seconds: float) -> Fate | None:
        """The fate of the event, or None if the worker has not decided in time. Raises SetupError."""
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._waited[sought].add(answer)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="poll for decisions")
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            return None
        finally:
            self._waited[sought].discard(answer)
            if not self._waited[sought]:
                del self._waited[sought]

    async def end(self) -> None:
        """Stop polling."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def _look(self) -> None:
        while self._waited:
            began = monotonic()
            try:
                found = await fates_of(self._pool, list(self._waited))
            except OutageError:
                await asyncio.sleep(_AFTER_OUTAGE_SECONDS)
                continue
            except UnenrollError as error:
                self._fail(error)
                return
            for sought, fate in found.items():
                for answer in self._waited.get(sought, ()):
                    if not answer.done():
                        answer.set_result(fate)
            await asyncio.sleep(max(_LOOK_SECONDS, monotonic() - began))

    def _fail(self, error: UnenrollError) -> None:
        for answers in self._waited.values():
            for answer in answers:
                if not answer.done():
                    answer.set_exception(error)
