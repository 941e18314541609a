"""The tables are made once, however often and from wherever somebody asks."""

import asyncio

import asyncpg
import pytest

from unenroll.errors import SetupError
from unenroll.store.connect import TABLES_VERSION, check_tables, connected
from unenroll.store.migrate import migrate


@pytest.fixture
async def empty_database(database_url: str) -> str:
    connection = await asyncpg.connect(database_url)
    await connection.execute("drop schema public cascade; create schema public")
    await connection.close()
    return database_url


async def test_tables_are_made_from_several_places_at_once(empty_database: str) -> None:
    done = await asyncio.gather(*(migrate(empty_database) for _ in range(5)))
    assert {one.after for one in done} == {TABLES_VERSION}
    assert sorted(one.before or "" for one in done) == ["", *[TABLES_VERSION] * 4]


async def test_a_database_without_tables_is_refused(empty_database: str) -> None:
    async with connected(empty_database) as pool:
        with pytest.raises(SetupError, match="run `unenroll migrate`"):
            await check_tables(pool)


@pytest.mark.parametrize(("found", "advice"), [("0000", "run `unenroll migrate`"), ("9999", "install a newer one")])
async def test_tables_of_another_version_are_refused(database_url: str, found: str, advice: str) -> None:
    async with connected(database_url) as pool:
        await pool.execute("update alembic_version set version_num = $1", found)
        with pytest.raises(SetupError, match=advice):
            await check_tables(pool)
