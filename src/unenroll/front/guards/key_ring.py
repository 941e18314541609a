"""The keys of tokens as far as they are known: read anew now and then, and kept while their source is away."""

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
    """The keys of one source. Whoever asks waits for it only if there is nothing to answer with."""

    def __init__(self, source: Source, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._keys: KeySet = {}
        self._read_at = _NEVER
        self._asked_at = _NEVER
        self._reading: asyncio.Task[None] | None = None

    async def key(self, kid: str, algorithm: str) -> PyJWK | None:
        """The key of this id for this algorithm, None if there is none. Raises Refused if no keys can be had at all."""
        if self._age() > self._source.kept:
            await self._read()
        elif self._age() > self._source.fresh:
            self._begin_to_read()
        if self._age() > self._source.kept:
            raise later(HTTPStatus.SERVICE_UNAVAILABLE, "no token can be checked at the moment", seconds=5)
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
        """The reading that is under way, or a new one, or None: the source was asked a moment ago."""
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
