"""Who does something that is kept with a name."""

import getpass
import socket
from typing import Annotated

import typer

By = Annotated[str | None, typer.Option(metavar="NAME", help="who does it; unset: the user of this machine")]


def who(named: str | None) -> str:
    """The name that was given, or else the user and the machine."""
    return named or f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return "somebody"
