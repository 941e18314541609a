"""Commands for whoever wants to see it work first: servers of their own, nothing to install."""

import asyncio
import os
import sys
from os.path import relpath
from pathlib import Path
from shutil import which
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console

from unenroll.cli.answers import Json, show
from unenroll.cli.try_calls import demo_of_calls
from unenroll.demo.compare import Result, compare
from unenroll.demo.examples import CHAPTERS
from unenroll.demo.found import Found
from unenroll.demo.play import play
from unenroll.demo.tables import tables
from unenroll.errors import UnenrollError
from unenroll.logs import speak
from unenroll.sandbox.embedded import embedded
from unenroll.sandbox.place import cache_folder
from unenroll.sandbox.serve import Serving, serve
from unenroll.sandbox.servers import Servers, addresses
from unenroll.settings import KafkaSettings, LogSettings, WorkerSettings, read
from unenroll.store.migrate import migrate
from unenroll.stream.cluster import Cluster
from unenroll.stream.topics import make_topics

_PIPE_WIDTH = 120
_OPENING = """\
Customers leave a milestone and a streak: the worked examples of the rules (docs/rules.md, section 6).
Facts go to Postgres and requests to Kafka, the worker decides, and an independent reader reads its events.
"""
_NEXT = """\

The demo's servers are gone. To go on with some that stay until Ctrl-C:
  {program} sandbox --env-file .env   a Kafka and a Postgres, with tables and topics
  {program} run                       the worker, in another terminal and the same folder
  {program} --help                    all commands"""


def sandbox(
    *,
    env_file: Annotated[Path, typer.Option(help="where to write the servers' addresses once they answer")],
    data: Annotated[Path | None, typer.Option(help="keep the data in this folder")] = None,
    partitions: Annotated[int, typer.Option(min=1, help="partitions of each topic")] = 4,
) -> None:
    """Start an embedded Kafka and Postgres in the foreground, with tables and topics, until SIGINT or SIGTERM."""

    async def prepare(servers: Servers) -> None:
        await migrate(servers.database_url)
        settings = KafkaSettings(kafka_bootstrap_servers=servers.kafka)
        await make_topics(Cluster(settings), settings.topic_prefix, partitions=partitions, replication=1)

    serving = Serving(env_file=env_file, data=data, cache=cache_folder(os.environ), say=_say)
    asyncio.run(serve(serving, prepare))


def demo(
    *,
    api: Annotated[bool, typer.Option("--api", help="show calls to the HTTP API instead, as curl sends them")] = False,
    as_json: Json = False,
) -> None:
    """Show the whole flow on an embedded Kafka and Postgres, with the worked examples of the rules."""
    speak(read(LogSettings).log_format, quiet=True)
    if api:
        demo_of_calls(as_json=as_json)
        return
    if not as_json:
        typer.echo(_OPENING)
    conclude(compare(CHAPTERS, asyncio.run(_played())), as_json=as_json)


def conclude(result: Result, *, as_json: bool) -> None:
    """Print the result of the demo. Raises UnenrollError if it is not as expected."""
    show(result, f"{tables(result, _console())}\n{_NEXT.format(program=_program())}", as_json=as_json)
    if not result.as_expected:
        raise UnenrollError("the demo found something else than the rules say")


async def _played() -> Found:
    async with embedded(cache=cache_folder(os.environ), say=_say) as pair:
        servers = addresses(pair)
        # Built without looking at the environment: whatever it names is not the demo's to touch.
        settings = WorkerSettings.model_construct(
            kafka_bootstrap_servers=servers.kafka, database_url=SecretStr(servers.database_url), http_address=""
        )
        return await play(CHAPTERS, settings, say=_say)


def _console() -> Console:
    terminal = sys.stdout.isatty()
    return Console(force_terminal=terminal, width=None if terminal else _PIPE_WIDTH)


def _program() -> str:
    """How this program is called from here."""
    beside = Path(sys.executable).with_name("unenroll")
    if which("unenroll") or not beside.exists():
        return "unenroll"
    return min(str(beside), relpath(beside), key=len)


def _say(words: str) -> None:
    typer.echo(words, err=True)
