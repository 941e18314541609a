"""Progress: whoever waits longer than two seconds is told what for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

Say = Callable[[str], None]

PATIENCE_SECONDS = 2.0


@asynccontextmanager
async def telling(say: Say, describe: Callable[[], str]) -> AsyncIterator[None]:
    """Every two seconds of the body, says what `describe` returns, unless that was the last thing said."""
    ticking = asyncio.create_task(_tell(say, describe))
    try:
        yield
    finally:
        ticking.cancel()


async def _tell(say: Say, describe: Callable[[], str]) -> None:
    said = ""
    while True:
        await asyncio.sleep(PATIENCE_SECONDS)
        if (text := describe()) != said:
            say(text)
            said = text
