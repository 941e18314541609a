"""The demo of the HTTP API: servers, worker and API in one process, and a session of curl."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
from pydantic import SecretStr

from unenroll.cli.answers import show
from unenroll.demo.play import prepare
from unenroll.demo.session import CALLER, KNOWN_BEFORE, Exchange, check_curl, held, told
from unenroll.errors import SetupError, UnenrollError
from unenroll.sandbox.embedded import embedded
from unenroll.sandbox.patience import telling
from unenroll.sandbox.place import cache_folder
from unenroll.sandbox.ports import LOOPBACK, free_ports
from unenroll.sandbox.servers import addresses
from unenroll.settings import FrontSettings
from unenroll.stream.worker import work

_OPENING = """\
A customer leaves a milestone by a call over HTTP, as curl sends it: docs/http-api.md explains each answer.
"""
_OPEN_SECONDS = 30.0
_LOOK_SECONDS = 0.05


def demo_of_calls(*, as_json: bool) -> None:
    """Show the session. Raises UnenrollError if an answer is not as expected."""
    check_curl()
    if not as_json:
        typer.echo(_OPENING)
    answered = asyncio.run(_session(aloud=not as_json))
    if as_json:
        show(answered, "", as_json=True)
    if not all(exchange.as_expected for exchange in answered):
        raise UnenrollError("the HTTP API gave another answer than the rules say")


async def _session(*, aloud: bool) -> list[Exchange]:
    answered = []
    with TemporaryDirectory(prefix="unenroll-demo-") as folder:
        async with embedded(cache=cache_folder(os.environ), say=_say) as pair:
            secret = secrets.token_urlsafe(12)
            servers = addresses(pair)
            # Built without looking at the environment: whatever it names is not the demo's to touch.
            settings = FrontSettings.model_construct(
                kafka_bootstrap_servers=servers.kafka,
                database_url=SecretStr(servers.database_url),
                api_address=f"{LOOPBACK}:{free_ports(1)[0]}",
                api_clients_file=_clients_file(Path(folder), secret),
            )
            await prepare([KNOWN_BEFORE], settings, say=_say)
            async with _open(settings):
                async for exchange in held(settings.api_address, secret):
                    answered.append(exchange)
                    if aloud:
                        typer.echo(told(exchange))
    return answered


def _clients_file(folder: Path, secret: str) -> Path:
    try:
        from unenroll.front.guards import hashing  # noqa: PLC0415 - of an extra that a worker does without
    except ModuleNotFoundError as missing:
        raise SetupError(f"the HTTP API needs the package {missing.name}: pip install 'unenroll[api]'") from missing
    path = folder / "clients"
    path.touch(mode=0o600)
    path.write_text(f"{CALLER} unenroll:write,unenroll:read,unenroll:backdate {hashing.hash_of(secret)}\n")
    return path


@asynccontextmanager
async def _open(settings: FrontSettings) -> AsyncIterator[None]:
    """Run the worker and the HTTP API until the end of the block."""
    from unenroll.front.serving import serve  # noqa: PLC0415 - the same

    stop = asyncio.Event()
    running = [
        asyncio.ensure_future(work(settings, stop=stop)),
        asyncio.ensure_future(serve(settings, stop=stop)),
    ]
    try:
        async with telling(_say, lambda: "starting the HTTP API"):
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
