"""The front door with nobody to guard it, for `benchmarks.front`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI

from unenroll.front.guards.caller import Caller, Scope
from unenroll.front.serving import serve
from unenroll.settings import FrontSettings, read


class _Nobody:
    """Whoever comes is let in."""

    def needs(self, scope: Scope) -> Callable[..., Awaitable[Caller]]:
        """A caller with this scope."""

        async def caller() -> Caller:
            return Caller(name="bench", scopes=frozenset({scope}))

        return caller

    def guard(self, app: FastAPI) -> None:
        """Nothing is held back."""
        del app

    def server_options(self) -> dict[str, Any]:
        """Nothing but what is usual."""
        return {}


if __name__ == "__main__":
    asyncio.run(serve(read(FrontSettings), _Nobody(), stop=asyncio.Event()))
