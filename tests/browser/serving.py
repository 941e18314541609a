"""The read side on a port of this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from support.api_process import read_only_app
from unenroll.postgres.pool import open_pool
from waiting import until


@asynccontextmanager
async def served(database_url: str) -> AsyncIterator[str]:
    """The address where what is in this database can be read."""
    async with open_pool(database_url) as pool:
        server = uvicorn.Server(uvicorn.Config(read_only_app(pool), port=0, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve())
        try:
            await until(lambda: _started(server, serving))
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def _started(server: uvicorn.Server, serving: asyncio.Task[None]) -> bool:
    return server.started or serving.done()
