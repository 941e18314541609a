"""Trying again while Postgres is away, for some seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from unenroll.errors import LaneLostError, OutageError, Server

WAITS = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)

log = structlog.get_logger()

_T = TypeVar("_T")


async def patiently(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """What the attempt returns, after some more of them if need be. Raises OutageError if none succeeds.

    An attempt may have happened although it failed: repeating it must be harmless, as the ledger makes it.
    """
    for tries, wait in enumerate(WAITS):
        try:
            return await attempt()
        except (OutageError, LaneLostError) as trouble:
            if tries == 0:
                log.warning("load_retrying", why=str(trouble))
            await asyncio.sleep(wait)
    try:
        return await attempt()
    except LaneLostError as trouble:
        raise OutageError(str(trouble), server=Server.POSTGRES) from trouble
