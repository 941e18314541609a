"""Waiting for what another process does."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 30) -> None:
    """Returns once the condition holds. Raises TimeoutError if it does not in time."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - no event of ours tells what another process does
            await asyncio.sleep(0.05)
