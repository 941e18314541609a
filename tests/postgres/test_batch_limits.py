"""A batch ends at its limits of time and bytes, an account at its facts, and poison is found in one transaction."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import pytest

from support.batch_decisions import INPUTS, batch_of
from support.events import definition, enrollment_line, reward_line, three_rewards
from support.files import leave_line, write_file
from unenroll.errors import RefusedError
from unenroll.kafka.topics import OUTPUTS
from unenroll.postgres import accounts
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.lanes import LaneKey, LaneRow, reposition, take_lane
from unenroll.postgres.pool import open_pool
from unenroll.wire.topics import Position
from unenroll.worker import fold
from unenroll.worker import transaction as limits
from unenroll.worker.lane import BatchSize
from unenroll.worker.transaction import BatchResult, BatchTransaction

REWARDS = 20


@dataclass
class Lane:
    """A lane that decides lines, one batch after the other."""

    pool: asyncpg.Pool
    row: LaneRow
    transaction: BatchTransaction

    async def decide(self, *lines: str, singly: bool = False) -> BatchResult:
        """Decide what fits of these lines, which begin at the positions of the lane."""
        result = await self.transaction.decide(self.row, batch_of(self.row, lines), singly=singly)
        self.row = result.lane
        return result


@pytest.fixture
async def lane(database_url: str) -> AsyncIterator[Lane]:
    """A lane whose accounts may have 100 facts."""
    async with open_pool(database_url) as pool:
        row = await take_lane(pool, LaneKey(topic_prefix="stage.", group_id="stage", partition=0))
        starts = tuple(Position(topic=word, topic_id=f"id of {word}", partitions=1, offset=0) for word in INPUTS)
        row = replace(row, positions=starts)
        await reposition(pool, row)
        topics = {topic.value: 1_000_000 for topic in OUTPUTS}
        yield Lane(pool, row, BatchTransaction(pool=pool, cache=DefinitionCache(), limits=topics, max_facts=100))


async def loaded(database_url: str, folder: Path, *, customers: range) -> None:
    lines = [
        reward_line(one, f"R{n}-{one}", "c4", at="2026-04-05T00:00:00Z") for one in customers for n in range(REWARDS)
    ]
    await write_file(folder, [definition(), *map(enrollment_line, customers), *lines]).load(database_url)


async def test_a_batch_ends_at_its_bytes_and_the_rest_is_the_next_one(
    lane: Lane, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = range(1, 11)
    await loaded(database_url, tmp_path, customers=customers)
    monkeypatch.setattr(limits, "MAX_OUTPUT_BYTES", 50_000)
    rest = [leave_line(customer) for customer in customers]
    sizes = []
    while rest:
        result = await lane.decide(*rest)
        assert sum(len(message.value or b"") for message in result.messages) < 100_000
        assert result.lane.positions[1].offset == len(customers) - len(rest) + len(result.batch.records)
        sizes.append(len(result.batch.records))
        rest = rest[len(result.batch.records) :]
    assert (sum(sizes), len(sizes) > 1) == (len(customers), True)
    outcomes = await lane.pool.fetch("select outcome::text from leaves")
    assert [row["outcome"] for row in outcomes] == ["UNENROLLED"] * len(customers)


async def test_a_batch_ends_before_the_account_that_is_too_much_to_read(
    lane: Lane, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = range(1, 11)
    await loaded(database_url, tmp_path, customers=customers)
    (size,) = await lane.pool.fetch("select octet_length(facts) from accounts where customer_id = 1")
    monkeypatch.setattr(accounts, "MAX_READ_BYTES", 3.5 * size[0])
    monkeypatch.setattr(accounts, "_SMALL_ACCOUNT_BYTES", size[0])  # customer 10 has longer ids, and so a large account
    rest = [leave_line(customer) for customer in (10, *customers)]
    sizes = []
    while rest:
        result = await lane.decide(*rest)
        sizes.append(len(result.batch.records))
        rest = rest[len(result.batch.records) :]
    assert sizes == [3, 3, 3, 2]
    outcomes = await lane.pool.fetch("select outcome::text from leaves")
    assert [row["outcome"] for row in outcomes] == ["UNENROLLED"] * len(customers)


async def test_a_load_halves_its_chunk_where_accounts_are_too_much_to_read(
    lane: Lane, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await loaded(database_url, tmp_path, customers=range(1, 11))
    monkeypatch.setattr(accounts, "MAX_READ_BYTES", 0)
    more = [reward_line(customer, f"R-{customer}", "c4", at="2026-04-06T00:00:00Z") for customer in range(1, 11)]
    assert (await write_file(tmp_path, more).load(database_url)).facts == len(more)
    assert await lane.pool.fetchval("select count(*) from rewards") == 10 * REWARDS + len(more)


async def test_answers_that_are_too_large_together_are_a_dead_letter(
    lane: Lane, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await loaded(database_url, tmp_path, customers=range(1, 2))
    monkeypatch.setattr(fold, "MAX_DECISION_BYTES", 10_000)
    result = await lane.decide(leave_line(1), leave_line(2))
    assert result.counts == {"answer_too_large": 1, "NOT_ENROLLED": 1}
    detail = await lane.pool.fetchval("select detail from dead_letters")
    assert re.fullmatch(r"Its answers have 15,\d{3} bytes; one transaction may publish 10,000\.", detail)
    assert await lane.pool.fetchval("select count(*) from leaves where customer_id = 1") == 0


async def test_a_batch_ends_after_its_time_with_one_record_at_least(
    lane: Lane, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await loaded(database_url, tmp_path, customers=range(1, 4))
    monkeypatch.setattr(limits, "MAX_FOLD_SECONDS", 0.0)
    for customer in (1, 2, 3):
        result = await lane.decide(*(leave_line(one) for one in range(customer, 4)))
        assert (len(result.batch.records), result.counts) == (1, {"UNENROLLED": 1})


async def test_one_more_fact_than_an_account_may_have_is_a_dead_letter(
    lane: Lane, database_url: str, tmp_path: Path
) -> None:
    await write_file(tmp_path, [definition(), enrollment_line(1), enrollment_line(2)]).load(database_url)
    many = [reward_line(1, f"R{n}", "c4", at="2026-04-05T00:00:00Z") for n in range(99)]
    assert (await lane.decide(*many)).largest_account == 1.0
    again = (*many[:1], reward_line(1, "R99", "c4", at="2026-04-05T00:00:00Z"), leave_line(1), leave_line(2))
    assert (await lane.decide(*again)).counts == {"duplicate": 1, "account_full": 2, "UNENROLLED": 1}
    assert (await lane.decide(leave_line(1))).counts == {"duplicate": 1}, "the dead letter is one already"


async def test_records_that_postgres_refuses_are_found_in_one_transaction(
    lane: Lane, database_url: str, tmp_path: Path
) -> None:
    await write_file(tmp_path, [definition(), *three_rewards(1), *three_rewards(2)]).load(database_url)
    await lane.pool.execute("alter table accounts add constraint unlucky check (customer_id < 100)")
    poison = [leave_line(customer) for customer in range(100, 130)]
    lines = [*poison[:15], leave_line(1), *poison[15:], leave_line(2)]
    with pytest.raises(RefusedError):
        await lane.decide(*lines)
    result = await lane.decide(*lines, singly=True)
    assert (result.refused, result.counts) == (30, {"refused_by_database": 30, "UNENROLLED": 2})
    assert len(await lane.pool.fetch("select from publications")) == 1


def test_a_lane_halves_until_it_decides_singly_and_grows_again() -> None:
    size = BatchSize()
    for records, then in ((1000, 500), (500, 250)):
        size.refused(records)
        assert (size.records, size.singly) == (then, False)
    size.refused(250)
    assert (size.records, size.singly) == (125, True)
