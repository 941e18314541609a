"""A definition that appends cycles is accepted at once; the accounts that wait for them come page by page."""

from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from support.deployment import group_of
from support.events import ABC
from unenroll.core.definitions import AcceptedDefinition
from unenroll.errors import OutageError
from unenroll.postgres import definitions as kept
from unenroll.postgres.definitions import DefinitionCache, define, due_page, has_resettlements

JUNE = {"periodName": "c6", "start": "2026-06-01T00:00:00Z", "end": "2026-07-01T00:00:00Z"}
DEF = {"targetId": 22, "name": "DEF", "kind": "MILESTONE"}
GROUP: dict[str, Any] = {**ABC, "targets": [*ABC["targets"], DEF]}  # type: ignore[misc] # ABC's targets are a list
LATER: dict[str, Any] = {**GROUP, "version": 2, "cycles": [*ABC["cycles"], JUNE]}  # type: ignore[misc] # the same
ACCOUNTS = [(customer, target) for target in (21, 22) for customer in range(1, 26)]


@pytest.fixture
async def grown(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> asyncpg.Pool:
    """A group that got a cycle for which 50 accounts of two targets wait. A page has 10 accounts."""
    monkeypatch.setattr(kept, "PAGE_ACCOUNTS", 10)
    await define(pool, group_of(GROUP))
    rows = [(customer, target, True, "[]") for customer, target in [*ACCOUNTS, (1, 99)]]
    await pool.copy_records_to_table("accounts", records=rows, columns=("customer_id", "target_id", "waits", "facts"))
    assert await define(pool, group_of(LATER), settle_again=True) == AcceptedDefinition()
    return pool


async def pages(pool: asyncpg.Pool) -> list[list[tuple[int, int]]]:
    """All pages that are left."""
    found: list[list[tuple[int, int]]] = []
    while True:
        async with due_page(pool) as page:
            if page is None:
                return found
            found.append(page.accounts)


async def test_each_waiting_account_is_in_one_page_of_bounded_size(grown: asyncpg.Pool) -> None:
    assert await has_resettlements(grown)
    found = await pages(grown)
    assert max(map(len, found)) == 10
    assert [account for page in found for account in page] == ACCOUNTS
    assert not await has_resettlements(grown)


async def test_a_page_that_was_not_published_comes_again(grown: asyncpg.Pool) -> None:
    with suppress(OutageError):
        async with due_page(grown) as page:
            assert page is not None
            raise ConnectionError("Kafka is away")
    assert [account for page in await pages(grown) for account in page] == ACCOUNTS


async def test_a_later_version_begins_with_the_first_account_again(grown: asyncpg.Pool) -> None:
    for accounts in (0, 10):  # there is no target 0
        async with due_page(grown) as page:
            assert page is not None
            assert (page.version, len(page.accounts)) == (2, accounts)
    july = {"periodName": "c7", "start": "2026-07-01T00:00:00Z", "end": "2026-08-01T00:00:00Z"}
    await define(grown, group_of({**LATER, "version": 3, "cycles": [*LATER["cycles"], july]}), settle_again=True)
    assert [account for page in await pages(grown) for account in page] == ACCOUNTS


async def test_two_workers_share_no_page(grown: asyncpg.Pool) -> None:
    async with due_page(grown) as page, due_page(grown) as other:
        assert page is not None
        assert other is None


async def test_the_cache_keeps_the_groups_that_were_used_last(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MAX_CACHED_CYCLES", 12)  # of two groups
    numbers = (31, 32, 33)
    for number in numbers:
        target = {"targetId": number, "name": "one", "kind": "MILESTONE"}
        await define(pool, group_of({**ABC, "targetGroupId": number, "targets": [target]}))
    cache = DefinitionCache()
    for number in (31, 32, 31, 33):
        found = await cache.read(pool, group_ids=[number], target_ids=[number])
        assert found.groups.keys() == {number}
    assert cache.cached.groups.keys() == {31, 33}
    assert (await cache.read(pool, group_ids=numbers, target_ids=numbers)).groups.keys() == {*numbers}
