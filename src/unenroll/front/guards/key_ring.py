"""A cache of the keys of tokens: refreshed now and then, and kept while their source is unavailable."""

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus

import structlog
from jwt import PyJWK

from unenroll.front.guards.key_set import KeySet, UnreadableKeysError, key_set
from unenroll.front.guards.key_source import Source, SourceAwayError
from unenroll.front.guards.refusals import later

log = structlog.get_logger()

_NEVER = float("-inf")


class KeyRing:
    """The keys of one source. A call waits for the source only if the cache cannot answer."""

    def __init__(self, source: Source, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._keys: KeySet = {}
        self._read_at = _NEVER
        self._asked_at = _NEVER
        self._reading: asyncio.Task[None] | None = None

    async def key(self, kid: str, algorithm: str) -> PyJWK | None:
        """The key with this id for this algorithm, or None. Raises Refused if there are no keys at all."""
        if self._age() > self._source.kept:
            await self._read()
        elif self._age() > self._source.fresh:
            self._begin_to_read()
        if self._age() > self._source.kept:
            raise later(HTTPStatus.SERVICE_UNAVAILABLE, "tokens cannot be checked at the moment", seconds=5)
        if (kid, algorithm) not in self._keys:
            await self._read()
        return self._keys.get((kid, algorithm))

    def _age(self) -> float:
        return self._clock() - self._read_at

    async def _read(self) -> None:
        task = self._begin_to_read()
        if task is not None:
            await asyncio.shield(task)

    def _begin_to_read(self) -> asyncio.Task[None] | None:
        """The task that reads the source, started if need be. None if the source was read a moment ago."""
        if self._reading is None and self._clock() - self._asked_at >= self._source.apart:
            self._asked_at = self._clock()
            self._reading = asyncio.create_task(self._try_to_read())
        return self._reading

    async def _try_to_read(self) -> None:
        try:
            self._keys = key_set(await asyncio.to_thread(self._source.read))
            self._read_at = self._clock()
        except (SourceAwayError, UnreadableKeysError) as error:
            log.warning("jwks_unavailable", why=str(error), known=len(self._keys))
        finally:
            self._reading = None
