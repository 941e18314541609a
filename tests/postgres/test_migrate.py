"""The tables are created once, even by several processes, and upgraded only if the workers allow it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from support.databases import CONTRACTS, EXPANDS, NEWER, newer
from unenroll.errors import SetupError
from unenroll.postgres.lanes import LaneKey, release_lane, take_lane
from unenroll.postgres.migrate import Migrated, migrate, upgrade
from unenroll.postgres.pool import TABLES_VERSION, check_tables, open_pool

LANE = LaneKey(topic_prefix="unenroll.", group_id="unenroll", partition=3)


@pytest.fixture
async def empty_database(database_url: str) -> str:
    connection = await asyncpg.connect(database_url)
    await connection.execute("drop schema public cascade; create schema public")
    await connection.close()
    return database_url


async def test_several_processes_can_migrate_at_once(empty_database: str) -> None:
    results = await asyncio.gather(*(migrate(empty_database) for _ in range(5)))
    assert {one.after for one in results} == {TABLES_VERSION}
    assert sorted(one.before or "" for one in results) == ["", *[TABLES_VERSION] * 4]


async def test_a_database_without_tables_is_refused(empty_database: str) -> None:
    async with open_pool(empty_database) as pool:
        with pytest.raises(SetupError, match="run `unenroll migrate`"):
            await check_tables(pool)


async def test_older_tables_are_refused(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        await pool.execute("update alembic_version set version_num = '0000'")
        with pytest.raises(SetupError, match="run `unenroll migrate`"):
            await check_tables(pool)


async def test_newer_tables_are_refused_unless_they_work_with_this_program(database_url: str, tmp_path: Path) -> None:
    async with open_pool(database_url) as pool:
        await upgrade(database_url, newer(tmp_path / "expands", EXPANDS, oldest=TABLES_VERSION))
        await check_tables(pool)
        assert (await migrate(database_url)).after == NEWER
        await pool.execute("update oldest_program set version = '9000'")
        with pytest.raises(SetupError, match="install a newer one"):
            await check_tables(pool)
        with pytest.raises(SetupError, match="install a newer one"):
            await migrate(database_url)


async def test_a_worker_that_owns_a_lane_blocks_a_migration_that_it_does_not_work_with(
    database_url: str, tmp_path: Path
) -> None:
    contract = newer(tmp_path, CONTRACTS, oldest=NEWER)
    async with open_pool(database_url) as pool:
        lane = await take_lane(pool, LANE)
        with pytest.raises(SetupError, match=f"lanes: 3 of unenroll \\({TABLES_VERSION}\\); upgrade the workers first"):
            await upgrade(database_url, contract)
        await release_lane(pool, lane)
    assert await upgrade(database_url, contract) == Migrated(before=TABLES_VERSION, after=NEWER)


async def test_even_if_held_migrates_nevertheless(database_url: str, tmp_path: Path) -> None:
    async with open_pool(database_url) as pool:
        await take_lane(pool, LANE)
    contract = replace(newer(tmp_path, CONTRACTS, oldest=NEWER), even_if_held=True)
    assert await upgrade(database_url, contract) == Migrated(before=TABLES_VERSION, after=NEWER)
