"""Commands that answer questions, and change nothing."""

import asyncio
import sys
from contextlib import suppress
from typing import Annotated

import typer

from unenroll.cli.answers import Json, show
from unenroll.errors import UsageError
from unenroll.explain.question import Question, answer
from unenroll.explain.tell import told
from unenroll.settings import DatabaseSettings, WorkerSettings, read
from unenroll.status.question import status as status_now
from unenroll.status.tell import told as status_told
from unenroll.status.watch import watch as watch_status
from unenroll.stream.cluster import Cluster
from unenroll.wire.fields import LARGEST_INT64, SMALLEST_INT64


def explain(
    *,
    customer: Annotated[int, typer.Option(metavar="ID", min=1, max=LARGEST_INT64, help="the customer's number")],
    target: Annotated[
        int | None, typer.Option(metavar="ID", min=SMALLEST_INT64, max=LARGEST_INT64, help="only this target")
    ] = None,
    reward: Annotated[str | None, typer.Option(metavar="ID", help="only this reward")] = None,
    as_json: Json = False,
) -> None:
    """Say why: the cycles, the facts in order, each leave's outcome, each reward's standing and its rule."""
    settings = read(DatabaseSettings)
    question = Question(customer_id=customer, target_id=target, reward_id=reward)
    found = asyncio.run(answer(question, settings.database_url.get_secret_value()))
    show(found, told(found.accounts, sys.stdout), as_json=as_json)


def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="refresh the tables on the terminal until Ctrl-C")] = False,
    interval: Annotated[
        float, typer.Option(min=0.5, max=3600, metavar="SECONDS", help="pause between two refreshes of --watch")
    ] = 2.0,
    as_json: Json = False,
) -> None:
    """Say how far the worker is: lanes, offsets, lag, counts by outcome, dead letters, definitions."""
    if watch:
        _watch(interval, as_json=as_json)
        return
    settings = read(WorkerSettings)
    found = asyncio.run(status_now(settings, Cluster(settings)))
    show(found, status_told(found, sys.stdout), as_json=as_json)


def _watch(interval: float, *, as_json: bool) -> None:
    if as_json or not sys.stdout.isatty():
        raise UsageError("--watch draws tables on a terminal; elsewhere, and for JSON, repeat `unenroll status`")
    with suppress(KeyboardInterrupt):
        asyncio.run(watch_status(read(WorkerSettings), interval=interval))
