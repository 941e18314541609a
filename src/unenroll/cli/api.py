"""The commands for the HTTP API: run it, create a caller's secret, resend undecided calls."""

import asyncio
import gc
import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated

import typer

from unenroll.api.auth.scopes import ApiScope
from unenroll.api.resend import Resent, resend
from unenroll.cli.runtime import Json, show, stop_on_signal
from unenroll.errors import SetupError, UsageError
from unenroll.settings import ApiSettings, WorkerSettings, read_settings
from unenroll.text import clock_time, plural


def api() -> None:
    """Run the HTTP API. On SIGTERM or SIGINT it answers the calls in progress and stops."""
    asyncio.run(_run(read_settings(ApiSettings)))


async def _run(settings: ApiSettings) -> None:
    with api_extra():
        from unenroll.api.app import serve  # noqa: PLC0415 - needs the extra `api`, which a worker may lack
    gc.freeze()  # imported objects are never garbage
    await serve(settings, stop=stop_on_signal())


@contextmanager
def api_extra() -> Iterator[None]:
    """Around an import of the HTTP API. Raises SetupError if a package of the extra `api` is not installed."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise SetupError(f"the HTTP API needs the package {missing.name}: pip install 'unenroll[api]'") from missing


def api_secret(
    *,
    name: Annotated[str, typer.Argument(help="the caller's name", show_default=False)],
    scope: Annotated[list[ApiScope], typer.Option(help="what the caller may do; repeatable")] = [  # noqa: B006 - typer reads it, nobody writes it
        ApiScope.WRITE,
        ApiScope.READ,
    ],
) -> None:
    """Print a line for UNENROLL_API_CLIENTS_FILE. Reads the secret from standard input, without echo."""
    with api_extra():
        from unenroll.api.auth import clients  # noqa: PLC0415 - the same
    if not clients.is_name(name):
        raise UsageError("a name must be 1 to 64 letters, digits, dots, underscores or hyphens")
    secret = _read_secret()
    if not clients.is_secret(secret):
        raise UsageError(f"a secret must be {clients.SHORTEST} to {clients.LONGEST} printable characters")
    scopes = ",".join(dict.fromkeys(scope))
    typer.echo(f"{name} {scopes} {clients.hash_of(secret)}")


def _read_secret() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    secret = getpass.getpass("secret: ")
    if getpass.getpass("the same again: ") != secret:
        raise UsageError("the two secrets differ")
    return secret


def resend_calls(
    *,
    older_than: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="only calls older than this; the worker may still decide others"),
    ] = 60.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count the calls")] = False,
    as_json: Json = False,
) -> None:
    """Publish the undecided calls of the HTTP API again. The worker decides an event once, however often it arrives."""
    done = asyncio.run(resend(read_settings(WorkerSettings), older_than=timedelta(seconds=older_than), dry_run=dry_run))
    show(done, _resent_text(done), as_json=as_json)


def _resent_text(done: Resent) -> str:
    verb = "would publish" if done.dry_run else "published"
    return f"{verb} {plural(done.calls, 'call')} from before {clock_time(done.before)} again"
