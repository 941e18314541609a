"""A load while Postgres refuses, fails or does not answer."""

from dataclasses import asdict
from pathlib import Path

import asyncpg
import pytest

from support.certificates import nobody_listens
from support.events import definition, enrollment_line, three_rewards
from support.files import command, tables, write_file
from support.postgres_proxy import cutting_proxy
from unenroll.errors import OutageError
from unenroll.worker import backoff as patience

FAIL_AT_FIRST = """
create sequence attempts;
create function fail_at_first() returns trigger language plpgsql as $$
begin
    if nextval('attempts') <= {times} then raise exception 'not now' using errcode = '{errcode}'; end if;
    return new;
end $$;
create constraint trigger fail_at_first after insert on accounts
    deferrable initially {when} for each row execute function fail_at_first();
"""


async def execute(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("errcode", "when"),
    [
        ("40001", "immediate"),
        ("40P01", "immediate"),
        ("55P03", "immediate"),
        ("40001", "deferred"),
        ("XX000", "deferred"),
    ],
    ids=["serialization", "deadlock", "lock time-out", "serialization at COMMIT", "a COMMIT that fails"],
)
async def test_a_passing_failure_is_waited_out(database_url: str, tmp_path: Path, errcode: str, when: str) -> None:
    await execute(database_url, FAIL_AT_FIRST.format(times=2, errcode=errcode, when=when))
    loaded = await write_file(tmp_path, [definition(), enrollment_line(1)]).load(database_url)
    assert asdict(loaded) == {"definitions": 1, "facts": 1, "duplicates": 0, "erased": 0, "bad": 0}


@pytest.mark.parametrize("first", [0, 1], ids=["of a definition", "of facts"])
async def test_a_commit_without_an_answer_is_repeated_and_keeps_nothing_twice(
    database_url: str, tmp_path: Path, first: int
) -> None:
    lines = [definition(), *three_rewards(1)]
    await write_file(tmp_path, lines[:first]).load(database_url)
    async with cutting_proxy(database_url, commits=1) as way:
        loaded = await write_file(tmp_path, lines[first:]).load(way.database_url)
        assert way.left == 0
    assert (loaded.duplicates, loaded.bad) == ((1, 0), (4, 0))[first]
    kept = await tables(database_url)
    assert [len(kept[name]) for name in ("target_groups", "accounts", "ledger")] == [1, 1, 4]


async def test_an_outage_that_does_not_end_ends_the_load(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "RETRY_SECONDS", (0.0, 0.0))
    await execute(database_url, FAIL_AT_FIRST.format(times=3, errcode="57014", when="immediate"))
    file = write_file(tmp_path, [definition(), enrollment_line(1), enrollment_line(2)])
    with pytest.raises(OutageError, match=r"stopped at line 2 of .*: load again, lines that are loaded are skipped"):
        await file.load(database_url)
    loaded = await file.load(database_url)
    assert asdict(loaded) == {"definitions": 0, "facts": 2, "duplicates": 1, "erased": 0, "bad": 0}


@pytest.mark.parametrize("poison", [1, 4, 9], ids=["first", "in the middle", "last"])
async def test_what_the_database_refuses_is_found_among_the_others(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], poison: int
) -> None:
    await execute(database_url, f"alter table accounts add check (customer_id <> {poison})")
    file = write_file(tmp_path, [definition(), *(enrollment_line(customer) for customer in range(1, 10))])
    loaded = await file.load(database_url)
    assert asdict(loaded) == {"definitions": 1, "facts": 8, "duplicates": 0, "erased": 0, "bad": 1}
    assert f":{poison + 1}: refused_by_database: " in capsys.readouterr().err
    assert file.rejected() == [enrollment_line(poison).encode()]


async def test_missing_tables_are_said_in_one_line(database_url: str) -> None:
    await execute(database_url, "drop table alembic_version")
    result = command("load", "-", environment={"UNENROLL_DATABASE_URL": database_url})
    assert result.code == 1
    assert result.err == "unenroll: the database has no tables of Unenroll; run `unenroll migrate`\n"


def test_a_database_that_is_not_there_is_said_in_one_line() -> None:
    with nobody_listens() as port:
        result = command("load", "-", environment={"UNENROLL_DATABASE_URL": f"postgresql://me@127.0.0.1:{port}/name"})
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith("unenroll: Postgres does not answer")
