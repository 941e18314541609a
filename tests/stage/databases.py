"""Databases that come and go."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg

from unenroll.postgres.migrate import migrate
from unenroll.sandbox.servers import Servers


@asynccontextmanager
async def migrated(servers: Servers) -> AsyncIterator[str]:
    """The name of a new database with our tables, to be cloned."""
    async with _new(servers, f"unenroll_template_{secrets.token_hex(4)}") as name:
        await migrate(_url(servers, name))
        yield name


@asynccontextmanager
async def cloned(servers: Servers, template: str) -> AsyncIterator[str]:
    """The address of a copy of the database `template`, to which nobody may be connected."""
    async with _new(servers, f"unenroll_test_{secrets.token_hex(4)}", f"template {template}") as name:
        yield _url(servers, name)


@asynccontextmanager
async def made_new(servers: Servers) -> AsyncIterator[str]:
    """The address of an empty database."""
    async with _new(servers, f"unenroll_test_{secrets.token_hex(4)}") as name:
        yield _url(servers, name)


@asynccontextmanager
async def _new(servers: Servers, name: str, options: str = "") -> AsyncIterator[str]:
    await _execute(servers, f"create database {name} {options}")
    try:
        yield name
    finally:
        await _execute(servers, f"drop database {name} with (force)")


async def _execute(servers: Servers, statement: str) -> None:
    connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _url(servers: Servers, name: str) -> str:
    return urlsplit(servers.database_url)._replace(path=f"/{name}").geturl()
