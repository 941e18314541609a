"""A transaction says whether nothing happened, or whether nobody knows."""

import pytest

from stage.wire_cutter import cutting
from unenroll.errors import LaneLostError, RefusedError
from unenroll.store.connect import connected, transaction


async def test_a_commit_without_an_answer_is_not_known_to_have_failed(database_url: str) -> None:
    async with cutting(database_url, commits=1) as way, connected(way.database_url) as pool:
        with pytest.raises(LaneLostError, match="unknown whether it happened"):
            async with transaction(pool) as connection:
                await connection.execute("create table happened ()")
        assert await pool.fetchval("select to_regclass('happened') is not null")


async def test_of_a_transaction_that_is_refused_nothing_happened(database_url: str) -> None:
    async with connected(database_url) as pool:
        with pytest.raises(RefusedError):
            async with transaction(pool) as connection:
                await connection.execute("create table happened (); select 1 / 0")
        assert await pool.fetchval("select to_regclass('happened') is null")
