"""The servers in the foreground, as a process of their own."""

import asyncio
import os
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import pytest
from confluent_kafka.admin import AdminClient
from dotenv import dotenv_values

from unenroll.errors import UsageError
from unenroll.sandbox.environment import add_block, cache_folder, remove_block
from unenroll.sandbox.servers import ServeOptions, ServerAddresses, serve
from waiting import until

SERVING = """
import asyncio, sys
from pathlib import Path
from unenroll.sandbox.servers import ServeOptions, ServerAddresses, serve

async def prepare(servers: ServerAddresses) -> None:
    file = Path(sys.argv[1])
    print("preparing, env file:", file.read_bytes() if file.exists() else None, flush=True)

def say(text: str) -> None:
    print(text, flush=True)

env_file, data, cache = map(Path, sys.argv[1:])
asyncio.run(serve(ServeOptions(env_file=env_file, data=data, cache=cache, say=say), prepare))
"""


NEWLINE = b"\n"
OTHERS = b"UNENROLL_DATABASE_URL=postgresql://of-mine\n# caf\xe9\nPORT=8080"


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Process]:
    arguments = [str(folder / "env"), str(folder / "data"), str(cache_folder(os.environ))]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVING, *arguments, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(process: Process, text: str) -> str:
    """What it says up to the line that holds the text."""
    assert process.stdout is not None
    lines = []
    async with asyncio.timeout(60):
        while line := (await process.stdout.readline()).decode():
            lines.append(line)
            if text in line:
                return "".join(lines)
    pytest.fail(f"never said {text!r}, but {lines}")


async def unexpected(servers: ServerAddresses) -> None:
    pytest.fail(f"{servers} were started")


def read(env_file: Path) -> dict[str, str]:
    return {name: value or "" for name, value in dotenv_values(env_file, encoding="latin-1").items()}


async def test_addresses_are_written_after_preparing_and_one_servers_death_leaves_the_other(open_folder: Path) -> None:
    env_file = open_folder / "env"
    env_file.write_bytes(OTHERS)
    env_file.chmod(0o640)
    add_block(env_file, {"UNENROLL_DATABASE_URL": "postgresql://of-a-run-that-was-killed"})
    async with serving(open_folder) as process:
        assert f"env file: {OTHERS + NEWLINE!r}" in await said(process, "are ready; their addresses are in")
        assert env_file.read_bytes().startswith(OTHERS + NEWLINE)
        assert set(read(env_file)) == {"UNENROLL_KAFKA_BOOTSTRAP_SERVERS", "UNENROLL_DATABASE_URL", "PORT"}

        postmaster = (open_folder / "data" / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0]
        os.kill(int(postmaster), SIGKILL)
        await said(process, "Postgres has died with exit code 137; the sandbox does not restart it")
        kafka = AdminClient({"bootstrap.servers": read(env_file)["UNENROLL_KAFKA_BOOTSTRAP_SERVERS"]})
        assert kafka.list_topics(timeout=20).brokers

        process.send_signal(SIGTERM)
        assert await process.wait() == 0
    assert env_file.read_bytes() == OTHERS + NEWLINE
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o640


def test_the_last_line_of_a_name_counts_so_the_sandbox_is_what_commands_find(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("UNENROLL_DATABASE_URL=postgresql://of-mine\n")
    add_block(env_file, {"UNENROLL_DATABASE_URL": "postgresql://of-the-sandbox"})
    assert dotenv_values(env_file)["UNENROLL_DATABASE_URL"] == "postgresql://of-the-sandbox"
    remove_block(env_file)
    assert env_file.read_text() == "UNENROLL_DATABASE_URL=postgresql://of-mine\n"


def test_a_new_file_is_readable_by_its_owner_only_and_goes_again(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    add_block(env_file, {"UNENROLL_DATABASE_URL": "postgresql://of-the-sandbox"})
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    remove_block(env_file)
    assert not env_file.exists()


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("PORT=8080\n")
    link = tmp_path / ".env"
    link.symlink_to(tmp_path / "real")
    add_block(link, {"UNENROLL_DATABASE_URL": "postgresql://of-the-sandbox"})
    assert link.is_symlink()
    remove_block(link)
    assert (tmp_path / "real").read_text() == "PORT=8080\n"


async def test_an_interrupt_while_starting_is_a_clean_end(open_folder: Path) -> None:
    started = open_folder / "data" / "kafka" / "kafka.log"
    async with serving(open_folder) as process:
        await until(lambda: asyncio.to_thread(started.exists))
        process.send_signal(SIGINT)
        assert await process.wait() == 0
    assert not (open_folder / "env").exists()


async def test_a_file_that_cannot_be_written_is_said_before_anything_starts(open_folder: Path) -> None:
    options = ServeOptions(env_file=open_folder / "nowhere" / "env", data=open_folder, cache=open_folder, say=print)
    with pytest.raises(UsageError, match="name a file in a folder that exists"):
        await serve(options, unexpected)
