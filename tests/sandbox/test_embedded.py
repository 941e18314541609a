"""The embedded pair, really started."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

import asyncpg
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from unenroll.sandbox.environment import cache_folder
from unenroll.sandbox.process import SandboxError
from unenroll.sandbox.servers import embedded_servers
from waiting import until

CACHE = cache_folder(os.environ)

OWNER = """
import asyncio, sys
from pathlib import Path
from unenroll.sandbox.servers import embedded_servers

async def own():
    async with embedded_servers(cache=Path(sys.argv[1]), say=lambda text: None) as pair:
        print(pair.kafka.program.folder.parent, flush=True)
        await asyncio.Event().wait()

asyncio.run(own())
"""


def create_topic(kafka: str, name: str) -> None:
    client = AdminClient({"bootstrap.servers": kafka})
    client.create_topics([NewTopic(name, 3)])[name].result(20)


def topics(kafka: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=20).topics)


async def answer(database_url: str, query: str) -> object:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.mark.thorough
async def test_both_answer_and_end_with_the_body_also_when_it_raises() -> None:
    with suppress(ZeroDivisionError):
        async with embedded_servers(cache=CACHE, say=print) as pair:
            assert topics(pair.kafka.program.address) == set()
            assert await answer(pair.postgres.program.address, "show fsync") == "on"
            assert await answer(pair.postgres.program.address, "show synchronous_commit") == "on"
            raise ZeroDivisionError
    assert pair.kafka.has_ended
    assert pair.postgres.has_ended
    assert not pair.kafka.program.folder.parent.exists()


async def test_both_end_and_leave_nothing_when_their_owner_is_killed() -> None:
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", OWNER, str(CACHE), stdout=PIPE)
    assert owner.stdout is not None
    folder = Path((await owner.stdout.readline()).decode().strip())
    assert (folder / "postgres" / "data" / "postmaster.pid").exists()
    owner.send_signal(SIGKILL)
    await owner.wait()

    async def removed() -> bool:
        return not await asyncio.to_thread(folder.exists)  # the last thing done after both have ended

    await until(removed)


@pytest.mark.thorough
async def test_a_data_folder_keeps_topics_and_rows_between_runs(open_folder: Path) -> None:
    async with embedded_servers(data=open_folder, cache=CACHE, say=print) as pair:
        create_topic(pair.kafka.program.address, "armchair")
        await answer(pair.postgres.program.address, "create table armchair as select 'crunchy' as kind")
    async with embedded_servers(data=open_folder, cache=CACHE, say=print) as pair:
        assert "armchair" in topics(pair.kafka.program.address)
        assert await answer(pair.postgres.program.address, "select kind from armchair") == "crunchy"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands Postgres over to another user")
async def test_a_data_folder_that_the_user_of_postgres_may_not_enter_is_refused(closed_folder: Path) -> None:
    with pytest.raises(SandboxError, match=f"may not enter .*{closed_folder}"):
        async with embedded_servers(data=closed_folder, cache=CACHE, say=print):
            pytest.fail("it started")
