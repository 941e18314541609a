"""The routes that read accounts, without authentication."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
from fastapi import FastAPI

from unenroll.api.account_routes import routes
from unenroll.postgres.pool import connected

PAGE = {"Accept": "text/html"}


def readable(pool: asyncpg.Pool) -> FastAPI:
    """An app that has the read side only."""
    app = FastAPI()
    app.include_router(routes(pool=lambda: pool, reader=lambda: None))
    return app


@asynccontextmanager
async def reader(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Who reads what is in this database."""
    async with connected(database_url) as pool:
        transport = httpx.ASGITransport(readable(pool))
        async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as client:
            yield client
