"""`python tests/shared_servers.py FILE`: a Kafka and a Postgres for all processes that pytest distributes tests to.

Writes their addresses to FILE, as JSON, once both answer. Ends when standard input does, so with whoever started it.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from unenroll.sandbox.servers import ServerAddresses, configured_servers
from waiting import until

_SECONDS = 300.0  # the first start ever downloads Kafka


@contextmanager
def start_servers() -> Iterator[Path]:
    """The file in which `wait_for_servers` looks for the addresses, while the servers run."""
    with TemporaryDirectory(prefix="unenroll-servers-") as folder:
        file = Path(folder) / "servers.json"
        command = [sys.executable, __file__, str(file)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            yield file
            process.communicate()  # closes standard input, and waits for the end


async def wait_for_servers(file: Path) -> ServerAddresses:
    """The servers, once they answer."""
    await until(lambda: asyncio.to_thread(file.exists), seconds=_SECONDS)
    return ServerAddresses(**json.loads(await asyncio.to_thread(file.read_text, encoding="utf-8")))


async def _serve(file: Path) -> None:
    from providers import server_providers, wait_for_coordinator  # noqa: PLC0415 - whoever starts this needs no container client

    async with server_providers(os.environ, say=_say) as servers:
        if configured_servers(os.environ) is None:
            await _without_flushing(servers.database_url)
        await wait_for_coordinator(servers.kafka)
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(servers)), encoding="utf-8")
        unfinished.replace(file)
        await asyncio.to_thread(sys.stdin.read)


async def _without_flushing(database_url: str) -> None:
    """Ours alone, and gone after the tests: what a machine that loses power would lose, nobody misses."""
    connection = await asyncpg.connect(database_url)
    for setting in ("fsync", "full_page_writes"):
        await connection.execute(f"alter system set {setting} = off")
    await connection.execute("select pg_reload_conf()")
    await connection.close()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress, for a person who waits


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
