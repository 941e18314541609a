"""The command that watches."""

import asyncio
import os
import sys
from typing import Annotated, NoReturn

import typer
from pydantic import TypeAdapter

from unenroll.cli.answers import Json
from unenroll.paper import printed
from unenroll.settings import WorkerSettings, read
from unenroll.top.told import parts
from unenroll.top.view import View
from unenroll.top.watching import Watching, look_once, watch

_PAPER = 200  # columns, where nobody says how many there are


def top(
    *,
    interval: Annotated[float, typer.Option(min=0.2, metavar="SECONDS", help="look so often")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="look once, and end")] = False,
    as_json: Json = False,
) -> None:
    """Show lanes, rates, lag, ages and dead letters live; plain text in a pipe. `q` or Ctrl-C leaves."""
    settings = read(WorkerSettings)
    if once:
        _tell(asyncio.run(look_once(settings)), as_json=as_json)
        return
    drawn = sys.stdout.isatty() and not as_json
    tell = None if drawn else lambda view: _tell(view, as_json=as_json)
    _until_left(Watching(settings=settings, every=interval, tell=tell))


def _until_left(watching: Watching) -> NoReturn:
    """End at once: a thread that asks a server which is away would be waited for, and what it asks changes nothing."""
    with asyncio.Runner() as runner:
        runner.run(watch(watching))
        sys.stdout.flush()
        os._exit(0)


def _tell(view: View, *, as_json: bool) -> None:
    if as_json:
        print(TypeAdapter(View).dump_json(view).decode(), flush=True)  # noqa: T201 - the result
    else:
        print(printed(parts(view, width=_PAPER), sys.stdout), end="\n\n", flush=True)  # noqa: T201 - the same
