"""The command that makes a line for the clients file of the HTTP API."""

import getpass
import sys
from typing import Annotated

import typer

from unenroll.errors import UsageError
from unenroll.front.guards.caller import ApiScope


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
        from unenroll.front.guards import hashing  # noqa: PLC0415 - of an extra that a worker does without
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
