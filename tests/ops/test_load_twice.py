"""A load that was killed can be repeated; a repetition waits for no lock; no load reads far ahead."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from support.events import definition, three_rewards
from support.files import command, tables, write_file
from unenroll.ops.files import Line
from unenroll.ops.load import load as chunks
from unenroll.ops.load.load import load
from unenroll.ops.progress import BadLines
from waiting import until

ACCOUNTS = 4000


async def test_a_load_that_was_killed_is_finished_by_the_next_one(database_url: str, tmp_path: Path) -> None:
    lines = [definition(), *(line for customer in range(1, ACCOUNTS + 1) for line in three_rewards(customer))]
    environment = {"UNENROLL_DATABASE_URL": database_url}
    connection = await asyncpg.connect(database_url)

    async def kept() -> int:
        return int(await connection.fetchval("select count(*) from ledger"))

    async def something_is_kept() -> bool:
        return await kept() > 0

    with subprocess.Popen(  # noqa: ASYNC220 - it is to be killed
        [sys.executable, "-m", "unenroll", "load", "-"], env={**os.environ, **environment}, stdin=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write("".join(f"{line}\n" for line in lines[: 3 * chunks.MAX_CHUNK_LINES]).encode())
        process.stdin.flush()
        await until(something_is_kept)
        process.kill()
    known = 1 + await kept()
    result = command("load", str(write_file(tmp_path, lines).path), environment=environment)
    assert result.out == f"Loaded 0 definitions and {len(lines) - known:,} facts; skipped {known:,} duplicates.\n"
    assert 1 < known < len(lines)
    assert await connection.fetchval("select count(*) from accounts where decisions = 4") == ACCOUNTS
    assert await connection.fetchval("select count(*) from rewards") == 3 * ACCOUNTS
    await connection.close()


async def test_repeating_waits_for_nobody(database_url: str, tmp_path: Path) -> None:
    file = write_file(tmp_path, [definition(), *three_rewards(1)])
    await file.load(database_url)
    before = await tables(database_url)
    lane = await asyncpg.connect(database_url)
    async with lane.transaction():
        await lane.execute("select from accounts for update")
        await lane.execute("select from target_groups for update")
        facts = write_file(tmp_path, three_rewards(1), "again.ndjson")
        assert (await facts.load(database_url)).duplicates == 4
    await lane.close()
    assert await tables(database_url) == before


@pytest.mark.parametrize("total", [5, 100])
async def test_never_more_than_two_chunks_are_in_memory(
    database_url: str, monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_LINES", 10)
    bad = BadLines(None)
    ahead = []

    def nonsense() -> Iterator[Line]:
        for number in range(total):
            ahead.append(number - bad.count)
            yield Line("facts.ndjson", number + 1, b"{")

    loaded = await load(nonsense(), database_url, bad=bad)
    assert loaded.bad == total
    assert max(ahead) <= 2 * 10
