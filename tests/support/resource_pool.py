"""Creates resources ahead of the tests that need them, in a thread of its own."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from threading import Thread
from typing import Generic, NamedTuple, TypeVar

Thing = TypeVar("Thing")

_AHEAD = 2
_SECONDS = 120.0


class PooledResource(NamedTuple, Generic[Thing]):
    """A resource, and the context manager that owns it."""

    thing: Thing
    block: AbstractAsyncContextManager[Thing]


class ResourcePool(Generic[Thing]):
    """A pool of two resources that `make` creates ahead, each in a context manager of its own."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[Thing]]) -> None:
        self._make = make
        self._loop = asyncio.new_event_loop()
        self._ready: asyncio.Queue[PooledResource[Thing] | BaseException] = asyncio.Queue(_AHEAD)
        self._thread = Thread(target=self._loop.run_forever, name="stock", daemon=True)
        self._thread.start()
        self._filling = asyncio.run_coroutine_threadsafe(self._fill(), self._loop)

    def acquire(self) -> PooledResource[Thing]:
        """Take the next resource. Raises the error of its creation."""
        found = asyncio.run_coroutine_threadsafe(self._ready.get(), self._loop).result(_SECONDS)
        if isinstance(found, BaseException):
            raise found
        return found

    def release(self, made: PooledResource[Thing]) -> None:
        """Exit its context manager, without waiting."""
        asyncio.run_coroutine_threadsafe(made.block.__aexit__(None, None, None), self._loop)

    def close(self) -> None:
        """Exit the context managers of all resources that are left or were given back."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _fill(self) -> None:
        while True:
            try:
                block = self._make()
                await self._ready.put(PooledResource(await block.__aenter__(), block))
            except Exception as error:  # noqa: BLE001 - whoever takes it hears of it
                await self._ready.put(error)

    async def _end(self) -> None:
        self._filling.cancel()
        while not self._ready.empty():
            made = self._ready.get_nowait()
            if isinstance(made, PooledResource):
                await made.block.__aexit__(None, None, None)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)
