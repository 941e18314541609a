"""The command that answers calls over HTTP."""

import asyncio
import gc
import getpass
import sys
from datetime import timedelta
from typing import Annotated

import typer

from unenroll.api.auth.clients import ApiScope
from unenroll.api.resend import Resent, resend
from unenroll.cli.runtime import Json, show, stop_on_signal
from unenroll.errors import SetupError, UsageError
from unenroll.settings import ApiSettings, WorkerSettings, read_settings
from unenroll.text import clock_time


def api() -> None:
    """Answer the un-enroll call over HTTP. SIGTERM and SIGINT stop it; calls in flight are answered first."""
    asyncio.run(_run(read_settings(ApiSettings)))


async def _run(settings: ApiSettings) -> None:
    try:
        from unenroll.api.app import serve  # noqa: PLC0415 - an extra, which the worker does not carry
    except ModuleNotFoundError as missing:
        raise SetupError(f"the HTTP API needs the package {missing.name}: pip install 'unenroll[api]'") from missing
    gc.freeze()  # what was imported is never garbage
    await serve(settings, stop=stop_on_signal())


def api_secret(
    *,
    name: Annotated[str, typer.Argument(help="the caller's name", show_default=False)],
    scope: Annotated[list[ApiScope], typer.Option(help="what the caller may do; may be said again")] = [  # noqa: B006 - typer reads it, nobody writes it
        ApiScope.WRITE,
        ApiScope.READ,
    ],
) -> None:
    """Make a line for UNENROLL_API_CLIENTS_FILE: reads the secret from standard input, without showing it."""
    try:
        from unenroll.api.auth import clients as hashing  # noqa: PLC0415 - of an extra that a worker does without
    except ImportError:
        raise UsageError("this command needs the extra `api`: pip install 'unenroll[api]'") from None
    if not hashing.is_name(name):
        raise UsageError("a name must be 1 to 64 letters, digits, dots, underscores or hyphens")
    secret = _secret()
    if not hashing.is_secret(secret):
        raise UsageError(f"a secret has {hashing.SHORTEST} to {hashing.LONGEST} characters that can be printed")
    scopes = ",".join(dict.fromkeys(scope))
    typer.echo(f"{name} {scopes} {hashing.hash_of(secret)}")


def _secret() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    secret = getpass.getpass("secret: ")
    if getpass.getpass("the same again: ") != secret:
        raise UsageError("these were two different secrets")
    return secret


def resend_calls(
    *,
    older_than: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="leave younger ones to the lanes")] = 60.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count")] = False,
    as_json: Json = False,
) -> None:
    """Publish undecided calls to the HTTP API again. The worker decides an event that arrives twice once."""
    done = asyncio.run(resend(read_settings(WorkerSettings), older_than=timedelta(seconds=older_than), dry_run=dry_run))
    show(done, _told(done), as_json=as_json)


def _told(done: Resent) -> str:
    verb = "would publish" if done.dry_run else "published"
    return f"{verb} {done.calls} calls again that came before {clock_time(done.before)}"
