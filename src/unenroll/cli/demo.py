"""The commands `demo` and `sandbox`, which bring servers of their own."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os.path import relpath
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console

from unenroll.cli.api import api_extra
from unenroll.cli.runtime import Json, show
from unenroll.demo.compare import Comparison, Observation, compare
from unenroll.demo.curl_session import CALLER, INITIAL_FACTS, CurlExchange, check_curl, exchange_text, exchanges
from unenroll.demo.examples import CHAPTERS
from unenroll.demo.play import play, prepare
from unenroll.demo.tables import tables
from unenroll.errors import UnenrollError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import make_topics
from unenroll.logs import configure_logging
from unenroll.postgres.migrate import migrate
from unenroll.sandbox.environment import LOOPBACK, cache_folder, free_ports
from unenroll.sandbox.process import show_progress
from unenroll.sandbox.servers import ServeOptions, ServerAddresses, addresses, embedded_servers, serve
from unenroll.settings import ApiSettings, KafkaSettings, LogSettings, WorkerSettings, read_settings
from unenroll.worker.worker import run_worker

_PIPE_WIDTH = 120
_API_START_SECONDS = 30.0
_API_WAIT_MS = 20_000  # on a slow machine too, the demo shows answers and not 202
_POLL_SECONDS = 0.05

_INTRODUCTION = """\
Customers leave a milestone and a streak: the worked examples of docs/rules.md, section 6. The demo loads facts into
Postgres and publishes requests to Kafka, the worker decides, and an independent Kafka client reads its events.
"""
_API_INTRODUCTION = """\
A customer leaves a milestone by calls to the HTTP API, sent with curl. docs/http-api.md explains each answer.
"""
_NEXT_STEPS = """\

The demo has stopped its servers. To go on with servers that run until Ctrl-C:
  {program} sandbox --env-file .env   a Kafka and a Postgres, with tables and topics
  {program} run                       the worker, in another terminal and the same folder
  {program} --help                    all commands"""


def sandbox(
    *,
    env_file: Annotated[Path, typer.Option(help="file to write the servers' addresses to when they are ready")],
    data: Annotated[Path | None, typer.Option(help="folder that keeps the data; unset: the data are deleted")] = None,
    partitions: Annotated[int, typer.Option(min=1, help="partitions of each topic")] = 4,
) -> None:
    """Run an embedded Kafka and Postgres, with tables and topics, until SIGINT or SIGTERM."""

    async def prepare(servers: ServerAddresses) -> None:
        await migrate(servers.database_url)
        settings = KafkaSettings(kafka_bootstrap_servers=servers.kafka)
        await make_topics(KafkaAdmin(settings), settings.topic_prefix, partitions=partitions, replication=1)

    options = ServeOptions(env_file=env_file, data=data, cache=cache_folder(os.environ), say=_say)
    asyncio.run(serve(options, prepare))


def demo(
    *,
    api: Annotated[bool, typer.Option("--api", help="show calls to the HTTP API instead, sent with curl")] = False,
    as_json: Json = False,
) -> None:
    """Run the worked examples of the rules through an embedded Kafka and Postgres, and check every answer."""
    configure_logging(read_settings(LogSettings).log_format, quiet=True)
    if api:
        _demo_of_api(as_json=as_json)
        return
    if not as_json:
        typer.echo(_INTRODUCTION)
    print_comparison(compare(CHAPTERS, asyncio.run(_play())), as_json=as_json)


async def _play() -> Observation:
    async with embedded_servers(cache=cache_folder(os.environ), say=_say) as pair:
        servers = addresses(pair)
        # model_construct reads no environment: the demo must not touch servers that it names.
        settings = WorkerSettings.model_construct(
            kafka_bootstrap_servers=servers.kafka, database_url=SecretStr(servers.database_url), http_address=""
        )
        return await play(CHAPTERS, settings, say=_say)


def print_comparison(result: Comparison, *, as_json: bool) -> None:
    """Print the result of the demo. Raises UnenrollError if it is not as expected."""
    show(result, f"{tables(result, _console())}\n{_NEXT_STEPS.format(program=_program())}", as_json=as_json)
    if not result.as_expected:
        raise UnenrollError("the worker's answers differ from the rules")


def _console() -> Console:
    terminal = sys.stdout.isatty()
    return Console(force_terminal=terminal, width=None if terminal else _PIPE_WIDTH)


def _program() -> str:
    """The shortest way to call this program from here."""
    installed = Path(sys.executable).with_name("unenroll")
    if which("unenroll") or not installed.exists():
        return "unenroll"
    return min(str(installed), relpath(installed), key=len)


def _demo_of_api(*, as_json: bool) -> None:
    check_curl()
    if not as_json:
        typer.echo(_API_INTRODUCTION)
    answers = asyncio.run(_call_api(printing=not as_json))
    if as_json:
        show(answers, "", as_json=True)
    if not all(exchange.as_expected for exchange in answers):
        raise UnenrollError("the HTTP API did not answer as the rules say")


async def _call_api(*, printing: bool) -> list[CurlExchange]:
    answers = []
    with TemporaryDirectory(prefix="unenroll-demo-") as folder:
        async with embedded_servers(cache=cache_folder(os.environ), say=_say) as pair:
            servers, secret = addresses(pair), secrets.token_urlsafe(12)
            # model_construct reads no environment: the demo must not touch servers that it names.
            settings = ApiSettings.model_construct(
                kafka_bootstrap_servers=servers.kafka,
                database_url=SecretStr(servers.database_url),
                api_address=f"{LOOPBACK}:{free_ports(1)[0]}",
                api_clients_file=_clients_file(Path(folder), secret),
                api_wait_ms=_API_WAIT_MS,
            )
            await prepare([INITIAL_FACTS], settings, say=_say)
            async with _worker_and_api(settings):
                async for exchange in exchanges(settings.api_address, secret):
                    answers.append(exchange)
                    if printing:
                        typer.echo(exchange_text(exchange))
    return answers


def _clients_file(folder: Path, secret: str) -> Path:
    with api_extra():
        from unenroll.api.auth.clients import hash_of  # noqa: PLC0415 - needs the extra `api`, which a worker may lack
    path = folder / "clients"
    path.touch(mode=0o600)
    path.write_text(f"{CALLER} unenroll:write,unenroll:read,unenroll:backdate {hash_of(secret)}\n")
    return path


@asynccontextmanager
async def _worker_and_api(settings: ApiSettings) -> AsyncIterator[None]:
    """Run the worker and the HTTP API until the end of the block. The API accepts connections when it begins."""
    from unenroll.api.app import serve  # noqa: PLC0415 - the same

    stop = asyncio.Event()
    running = [
        asyncio.ensure_future(run_worker(settings, stop=stop)),
        asyncio.ensure_future(serve(settings, stop=stop)),
    ]
    accepting = asyncio.ensure_future(_wait_for_port(settings.api_address))
    try:
        async with show_progress(_say, lambda: "starting the HTTP API"):
            done, _ = await asyncio.wait([accepting, *running], return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()  # raises what the worker or the API has raised
        yield
    finally:
        accepting.cancel()
        stop.set()
        await asyncio.gather(*running)


async def _wait_for_port(address: str) -> None:
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(_API_START_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(_POLL_SECONDS)
            else:
                writer.close()
                return


def _say(text: str) -> None:
    typer.echo(text, err=True)
