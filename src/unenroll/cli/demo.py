"""Commands for whoever wants to see it work first: servers of their own, nothing to install."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from os.path import relpath
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.console import Console

from unenroll.cli.runtime import Json, show
from unenroll.demo.compare import Comparison, Observation, compare
from unenroll.demo.curl_session import CALLER, KNOWN_BEFORE, CurlExchange, check_curl, exchange_text, exchanges
from unenroll.demo.examples import CHAPTERS
from unenroll.demo.play import play, prepare
from unenroll.demo.tables import tables
from unenroll.errors import SetupError, UnenrollError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import make_topics
from unenroll.logs import configure_logging
from unenroll.postgres.migrate import migrate
from unenroll.sandbox.environment import LOOPBACK, cache_folder, free_ports
from unenroll.sandbox.process import show_progress
from unenroll.sandbox.servers import ServeOptions, ServerAddresses, addresses, embedded, serve
from unenroll.settings import ApiSettings, KafkaSettings, LogSettings, WorkerSettings, read_settings
from unenroll.worker.worker import run_worker

_TRY_CALLS_OPENING = """\
A customer leaves a milestone by a call over HTTP, as curl sends it: docs/http-api.md explains each answer.
"""
_OPEN_SECONDS = 30.0
_LOOK_SECONDS = 0.05


def demo_of_calls(*, as_json: bool) -> None:
    """Show the session. Raises UnenrollError if an answer is not as expected."""
    check_curl()
    if not as_json:
        typer.echo(_TRY_CALLS_OPENING)
    answered = asyncio.run(_session(aloud=not as_json))
    if as_json:
        show(answered, "", as_json=True)
    if not all(exchange.as_expected for exchange in answered):
        raise UnenrollError("the HTTP API gave another answer than the rules say")


async def _session(*, aloud: bool) -> list[CurlExchange]:
    answered = []
    with TemporaryDirectory(prefix="unenroll-demo-") as folder:
        async with embedded(cache=cache_folder(os.environ), say=_say) as pair:
            secret = secrets.token_urlsafe(12)
            servers = addresses(pair)
            # Built without looking at the environment: whatever it names is not the demo's to touch.
            settings = ApiSettings.model_construct(
                kafka_bootstrap_servers=servers.kafka,
                database_url=SecretStr(servers.database_url),
                api_address=f"{LOOPBACK}:{free_ports(1)[0]}",
                api_clients_file=_clients_file(Path(folder), secret),
            )
            await prepare([KNOWN_BEFORE], settings, say=_say)
            async with _open(settings):
                async for exchange in exchanges(settings.api_address, secret):
                    answered.append(exchange)
                    if aloud:
                        typer.echo(exchange_text(exchange))
    return answered


def _clients_file(folder: Path, secret: str) -> Path:
    try:
        from unenroll.api.auth import clients as hashing  # noqa: PLC0415 - of an extra that a worker does without
    except ModuleNotFoundError as missing:
        raise SetupError(f"the HTTP API needs the package {missing.name}: pip install 'unenroll[api]'") from missing
    path = folder / "clients"
    path.touch(mode=0o600)
    path.write_text(f"{CALLER} unenroll:write,unenroll:read,unenroll:backdate {hashing.hash_of(secret)}\n")
    return path


@asynccontextmanager
async def _open(settings: ApiSettings) -> AsyncIterator[None]:
    """Run the worker and the HTTP API until the end of the block."""
    from unenroll.api.app import serve  # noqa: PLC0415 - the same

    stop = asyncio.Event()
    running = [
        asyncio.ensure_future(run_worker(settings, stop=stop)),
        asyncio.ensure_future(serve(settings, stop=stop)),
    ]
    try:
        async with show_progress(_say, lambda: "starting the HTTP API"):
            await _first([_answering(settings.api_address), *running])
        yield
    finally:
        stop.set()
        await asyncio.gather(*running)


async def _first(awaited: Sequence[Awaitable[Any]]) -> None:
    """Wait for the first of them, the others go on. Raises what the others raise before that."""
    waiting, *running = [asyncio.ensure_future(one) for one in awaited]
    done, _ = await asyncio.wait([waiting, *running], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for one in done:
        one.result()


async def _answering(address: str) -> None:
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(_OPEN_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                writer.close()
                return


def _say(words: str) -> None:
    typer.echo(words, err=True)


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

    async def prepare(servers: ServerAddresses) -> None:
        await migrate(servers.database_url)
        settings = KafkaSettings(kafka_bootstrap_servers=servers.kafka)
        await make_topics(KafkaAdmin(settings), settings.topic_prefix, partitions=partitions, replication=1)

    serving = ServeOptions(env_file=env_file, data=data, cache=cache_folder(os.environ), say=_say)
    asyncio.run(serve(serving, prepare))


def demo(
    *,
    api: Annotated[bool, typer.Option("--api", help="show calls to the HTTP API instead, as curl sends them")] = False,
    as_json: Json = False,
) -> None:
    """Show the whole flow on an embedded Kafka and Postgres, with the worked examples of the rules."""
    configure_logging(read_settings(LogSettings).log_format, quiet=True)
    if api:
        demo_of_calls(as_json=as_json)
        return
    if not as_json:
        typer.echo(_OPENING)
    conclude(compare(CHAPTERS, asyncio.run(_played())), as_json=as_json)


def conclude(result: Comparison, *, as_json: bool) -> None:
    """Print the result of the demo. Raises UnenrollError if it is not as expected."""
    show(result, f"{tables(result, _console())}\n{_NEXT.format(program=_program())}", as_json=as_json)
    if not result.as_expected:
        raise UnenrollError("the demo found something else than the rules say")


async def _played() -> Observation:
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
