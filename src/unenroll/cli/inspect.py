"""Commands that answer questions, and change nothing."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from pydantic import TypeAdapter

from unenroll.cli.options import Customers, Differences, Report, Targets
from unenroll.cli.render.status import render_status as status_told
from unenroll.cli.runtime import Json, show
from unenroll.cli.watch import watch as watch_status
from unenroll.errors import UnenrollError, UsageError
from unenroll.explain.story import ExplainQuery, answer
from unenroll.explain.text import render_story
from unenroll.kafka.admin import KafkaAdmin
from unenroll.ops.progress import counted, progress
from unenroll.ops.report import ReportFile, sheet, sheet_text
from unenroll.ops.status import status as status_now
from unenroll.ops.verify.differences import Difference
from unenroll.ops.verify.verify import Note, VerifyResult
from unenroll.ops.verify.verify import verify as verify_accounts
from unenroll.postgres.audit import AuditScope, about
from unenroll.postgres.pool import connected
from unenroll.settings import DatabaseSettings, WorkerSettings, read_settings
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
    settings = read_settings(DatabaseSettings)
    question = ExplainQuery(customer_id=customer, target_id=target, reward_id=reward)
    found = asyncio.run(answer(question, settings.database_url.get_secret_value()))
    show(found, render_story(found.accounts, sys.stdout), as_json=as_json)


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
    settings = read_settings(WorkerSettings)
    found = asyncio.run(status_now(settings, KafkaAdmin(settings)))
    show(found, status_told(found, sys.stdout), as_json=as_json)


def _watch(interval: float, *, as_json: bool) -> None:
    if as_json or not sys.stdout.isatty():
        raise UsageError("--watch draws tables on a terminal; elsewhere, and for JSON, repeat `unenroll status`")
    with suppress(KeyboardInterrupt):
        asyncio.run(watch_status(read_settings(WorkerSettings), interval=interval))


Published = Annotated[
    bool, typer.Option("--published", help="hold them against the bytes that were published as well; takes longer")
]


def verify(  # noqa: PLR0913 - each is an option
    *,
    customer: Customers = None,
    target: Targets = None,
    published: Published = False,
    differences: Differences = None,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Decide again from the facts that are kept, and report what is kept otherwise. Changes nothing; exit 1 if any."""
    scope = AuditScope(customers=tuple(customer or ()), targets=tuple(target or ()), published=published)
    scope_option(scope, differences=differences, report=report, as_json=as_json)


def scope_option(scope: AuditScope, *, differences: Path | None, report: Path | None, as_json: bool) -> None:
    """Verify these accounts and tell. Raises UnenrollError if any of them is not as it follows from its facts."""
    database_url = read_settings(DatabaseSettings).database_url.get_secret_value()
    file = None if report is None else ReportFile(report)
    with _noted(differences) as note:
        found = asyncio.run(_verified(database_url, scope, note))
    if file is not None:
        file.write(found, sheet(found))
    show(found, sheet_text(sheet(found), sys.stdout), as_json=as_json)
    if found.drifted:
        raise UnenrollError(f"{found.drifted:,} accounts are not as it follows from their facts")


async def _verified(database_url: str, scope: AuditScope, note: Note) -> VerifyResult:
    async with connected(database_url, connections=1) as pool:
        total = None if scope.customers or scope.targets else await about(pool)
        with progress("verify", total, counted("accounts")) as done:
            return await verify_accounts(pool, scope, done=done, note=note)


def _write(file: BinaryIO, difference: Difference) -> None:
    file.write(TypeAdapter(Difference).dump_json(difference) + b"\n")


@contextmanager
def _noted(path: Path | None) -> Iterator[Callable[[Difference], None]]:
    """Writes differences to the file, as they are found. Raises UsageError."""
    if path is None:
        yield lambda _: None
        return
    try:
        with path.open("wb") as file:
            yield partial(_write, file)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
