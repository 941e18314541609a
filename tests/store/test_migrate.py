"""The tables are made once, however often and from wherever somebody asks."""

import asyncio
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from stage.events import utc
from stage.full_account import STATE
from stage.versions import CONTRACTS, EXPANDS, NEWER, newer
from unenroll.core.decide import AccountState
from unenroll.core.facts import Account
from unenroll.errors import SetupError
from unenroll.store import migrations
from unenroll.store.accounts import KnownAccount, read_accounts
from unenroll.store.connect import TABLES_VERSION, check_tables, connected
from unenroll.store.lanes import LaneKey, leave_lane, take_lane
from unenroll.store.migrate import migrate
from unenroll.store.upgrade import upgrade
from unenroll.wire.account import Seen

BEFORE_V0003 = """
insert into accounts values (1, 21, 5, 2, true), (1, 22, 0, 0, false);
insert into enrollments values
    (1, 21, 'in', '/crm', '2026-01-01 05:30:00+05:30', 2, 0.10, true, 'AUTOMATIC', '2026-01-02 00:00Z');
insert into leaves values
    (1, 21, 'second', '/crm', '2026-04-15 00:00Z', null, null, 'ALREADY_UNENROLLED', null, '2026-04-16 00:00Z'),
    (1, 21, 'first', '/crm', '2026-03-15 00:00Z', '😀', 'agent', 'UNENROLLED', 3, '2026-03-16 00:00Z');
insert into rewards values
    (1, 21, 'R1', 1, 'PERIOD_END', '2026-01-05 00:00Z', null, null, null, 'KEPT', 'CYCLE_FINISHED', null, 0,
     null, null, null, null, '2026-01-06 00:00Z'),
    (1, 21, 'R2', 3, 'IMMEDIATE', '2026-03-20 00:00Z', 4, 12.50, 'EUR', 'CANCELLED', 'AFTER_UNENROLLMENT', 'REVERSE',
     1, 'second', '/crm', 'first', '/crm', '2026-03-21 00:00Z');
insert into issuances values (1, 21, 'R2', '2026-03-22 00:00Z', '2026-03-23 00:00Z');
"""
LANE = LaneKey(topic_prefix="unenroll.", group_id="unenroll", partition=3)
VERSIONS = Path(migrations.__path__[0], "versions")
STEPS = [(VERSIONS / name).read_text() for name in ("v0001_first_tables.sql", "v0002_definitions_over_kafka.sql")]


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


async def test_older_tables_are_refused(database_url: str) -> None:
    async with connected(database_url) as pool:
        await pool.execute("update alembic_version set version_num = '0000'")
        with pytest.raises(SetupError, match="run `unenroll migrate`"):
            await check_tables(pool)


async def test_newer_tables_are_refused_unless_they_work_with_this_program(database_url: str, tmp_path: Path) -> None:
    async with connected(database_url) as pool:
        await upgrade(database_url, newer(tmp_path / "expands", EXPANDS, oldest=TABLES_VERSION))
        await check_tables(pool)
        assert (await migrate(database_url)).after == NEWER
        await pool.execute("update oldest_program set version = '9000'")
        with pytest.raises(SetupError, match="install a newer one"):
            await check_tables(pool)
        with pytest.raises(SetupError, match="install a newer one"):
            await migrate(database_url)


async def test_tables_do_not_contract_beneath_who_holds_a_lane(database_url: str, tmp_path: Path) -> None:
    contract = newer(tmp_path, CONTRACTS, oldest=NEWER)
    async with connected(database_url) as pool:
        lane = await take_lane(pool, LANE)
        with pytest.raises(SetupError, match=f"lanes: 3 of unenroll \\({TABLES_VERSION}\\); upgrade the workers first"):
            await upgrade(database_url, contract)
        await leave_lane(pool, lane)
        await pool.execute("update lanes set epoch = epoch + 1")  # as programs do that do not say who they are
        with pytest.raises(SetupError, match="unknown"):
            await upgrade(database_url, contract)
        await leave_lane(pool, await take_lane(pool, LANE))
    assert await upgrade(database_url, contract) == (TABLES_VERSION, NEWER)


async def test_tables_contract_all_the_same_where_that_is_meant(database_url: str, tmp_path: Path) -> None:
    async with connected(database_url) as pool:
        await take_lane(pool, LANE)
    contract = replace(newer(tmp_path, CONTRACTS, oldest=NEWER), even_if_held=True)
    assert await upgrade(database_url, contract) == (TABLES_VERSION, NEWER)


async def test_accounts_that_were_kept_in_tables_are_kept_in_one_row_each(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    for step in STEPS:
        await connection.execute(step)
    await connection.execute("create table alembic_version as select '0002' as version_num")
    await connection.execute(BEFORE_V0003)
    await migrate(empty_database)
    full, empty = (await read_accounts(connection, 1)).values()
    await connection.close()
    assert empty == KnownAccount(state=AccountState(account=Account(customer_id=1, target_id=22)))
    assert full == KnownAccount(state=STATE, decisions=5, waits=True, seen=SEEN)


SEEN = Seen(
    (utc("2026-01-02T00:00:00Z"),),
    (utc("2026-03-16T00:00:00Z"), utc("2026-04-16T00:00:00Z")),
    (utc("2026-01-06T00:00:00Z"), utc("2026-03-21T00:00:00Z")),
    (utc("2026-03-23T00:00:00Z"),),
)
