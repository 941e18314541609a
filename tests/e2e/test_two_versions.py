"""Workers of two versions beside each other, on tables that the newer one has upgraded beneath the older one."""

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from os import environ
from pathlib import Path
from shutil import which
from signal import SIGTERM

import pytest

from stage.databases import cloned
from stage.events import leaves, three_rewards
from stage.files import event
from stage.place import Place, answers, made
from stage.versions import EXPANDS, NEWER, newer, of_version
from stage.workers import run, running, wait_until
from unenroll.sandbox.servers import Servers
from unenroll.store.connect import TABLES_VERSION
from unenroll.store.upgrade import upgrade

FIRST, SECOND, THIRD = range(951, 961), range(961, 971), range(971, 981)
BEFORE_ERASING = "dbced5d8ef0d7739e51e03428f1bf4edd532bc71"
"""The last commit whose programs are written for tables of version 0007: they say nowhere who holds a lane."""

ROOT = Path(__file__).parents[2]


def answered(place: Place, customers: range) -> bool:
    return {f"leave-{customer}" for customer in customers} <= answers(place.seen()).keys()


async def owners(place: Place) -> set[str | None]:
    return {row["owner_version"] for row in await place.rows("select owner_version from lanes")}


async def test_an_older_worker_goes_on_and_shares_with_a_newer_one(place: Place, tmp_path: Path) -> None:
    place.load(line for customer in (*FIRST, *SECOND, *THIRD) for line in three_rewards(customer))
    with running("run", environment=place.environment) as old:
        old.wait_to_say('"lane_opened"', times=4)
        place.request(leaves(customer) for customer in FIRST)
        await upgrade(place.database_url, newer(tmp_path, EXPANDS, oldest=TABLES_VERSION))
        with of_version(NEWER, "run", environment=place.environment) as new:
            new.wait_to_say('"lane_opened"', times=2)
            place.request(leaves(customer) for customer in SECOND)
            wait_until(lambda: answered(place, SECOND), "answers", show=old.output)
            assert await owners(place) == {TABLES_VERSION, NEWER}
            old.tell(SIGTERM)
            assert old.wait() == 0
            with running("run", environment=place.environment) as back:  # a rollback, or a machine that comes late
                back.wait_to_say('"lane_opened"', times=2)
                place.request(leaves(customer) for customer in THIRD)
                wait_until(lambda: answered(place, THIRD), "answers", show=back.output)
    assert {len(kinds) for kinds in answers(place.seen()).values()} == {1}


@contextmanager
def older(source: Path, *arguments: str, place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """The command as an older commit has it."""
    environment = {**environ, **place.environment, "PYTHONPATH": str(source / "src")}
    command = [sys.executable, "-m", "unenroll", *arguments]
    with (source / "log").open("ab") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as old:
        try:
            yield old
        finally:
            old.kill()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """That commit's files, if the history is at hand."""
    git = which("git")
    packed = git and subprocess.run([git, "archive", BEFORE_ERASING, "src"], cwd=ROOT, capture_output=True, check=False)
    if not packed or packed.returncode:
        pytest.skip("the history is not at hand")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as files:
        files.extractall(tmp_path / "older", filter="data")
    return tmp_path / "older"


@pytest.mark.thorough
async def test_a_worker_of_an_older_commit_goes_on_while_newer_ones_come(
    servers: Servers, source: Path, prefix: str, tmp_path: Path
) -> None:
    async with cloned(servers, "template1") as url:
        place = Place(kafka=servers.kafka, database_url=url, prefix=prefix, folder=tmp_path)
        with older(source, "migrate", place=place) as command:
            assert command.wait(60) == 0, (source / "log").read_text()
        await made(place)
        with older(source, "run", place=place) as old:
            place.tell(back(customer) for customer in (*FIRST, *SECOND))
            place.wait_for_lanes(seconds=60, show=(source / "log").read_text)
            place.request(leaves(customer) for customer in FIRST)
            wait_until(lambda: answered(place, FIRST), "answers", show=(source / "log").read_text)
            run("migrate", environment=place.environment)
            with running("run", environment=place.environment) as new:
                new.wait_to_say('"lane_opened"', times=2)
                place.request(leaves(customer) for customer in SECOND)
                wait_until(lambda: answered(place, SECOND), "answers", show=(source / "log").read_text)
                assert await owners(place) == {TABLES_VERSION, None}
                refused = run("erase", f"--customer={FIRST[0]}", environment=place.environment, code=1)
                assert "may be held by a worker of an older version (unknown)" in refused
                old.terminate()
                assert old.wait(60) == 0
                place.request(leaves(customer) for customer in THIRD)
                wait_until(lambda: answered(place, THIRD), "answers", show=new.output)
            run("erase", f"--customer={FIRST[0]}", environment=place.environment)
        assert {len(kinds) for kinds in answers(place.seen()).values()} == {1}


def back(customer: int) -> str:
    """A line for `publish`: the customer takes part."""
    at = "2026-01-01T00:00:00Z"
    return event(
        "CustomerEnrolled", f"in-{customer}", customerId=customer, targetGroupId=11, targetId=21, enrolledAt=at
    )
