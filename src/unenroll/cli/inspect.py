"""The commands `explain`, `status` and `verify`: they read and change nothing."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from pydantic import TypeAdapter

from unenroll.cli.options import Customers, Differences, Report, Targets
from unenroll.cli.render.status import database_tables, progress_tables
from unenroll.cli.runtime import Json, show
from unenroll.cli.watch import watch as watch_status
from unenroll.errors import UnenrollError, UsageError
from unenroll.explain.story import ExplainQuery
from unenroll.explain.story import explain as explain_accounts
from unenroll.explain.text import render_story
from unenroll.kafka.admin import KafkaAdmin
from unenroll.ops.progress import count_unit, progress
from unenroll.ops.report import ReportFile, sheet_text, verify_sheet
from unenroll.ops.status import status as read_status
from unenroll.ops.verify.differences import Difference
from unenroll.ops.verify.verify import Note, VerifyResult
from unenroll.ops.verify.verify import verify as verify_accounts
from unenroll.postgres.audit import AuditScope, estimate_accounts
from unenroll.postgres.pool import open_pool
from unenroll.settings import DatabaseSettings, WorkerSettings, read_settings
from unenroll.text import plural, render_text
from unenroll.wire.fields import LARGEST_INT64, SMALLEST_INT64


def explain(
    *,
    customer: Annotated[int, typer.Option(metavar="ID", min=1, max=LARGEST_INT64, help="the customer's ID")],
    target: Annotated[
        int | None, typer.Option(metavar="ID", min=SMALLEST_INT64, max=LARGEST_INT64, help="only this target")
    ] = None,
    reward: Annotated[str | None, typer.Option(metavar="ID", help="only this reward")] = None,
    as_json: Json = False,
) -> None:
    """Explain an account: its cycles, its facts in order, each leave's outcome, each reward's standing and rule."""
    settings = read_settings(DatabaseSettings)
    query = ExplainQuery(customer_id=customer, target_id=target, reward_id=reward)
    story = asyncio.run(explain_accounts(query, settings.database_url.get_secret_value()))
    show(story, render_story(story.accounts, sys.stdout), as_json=as_json)


def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="refresh the tables on the terminal until Ctrl-C")] = False,
    interval: Annotated[
        float, typer.Option(min=0.5, max=3600, metavar="SECONDS", help="time between two refreshes of --watch")
    ] = 2.0,
    as_json: Json = False,
) -> None:
    """Show how far the workers are: lanes, offsets, lag, counts by outcome, dead letters, definitions."""
    if watch:
        _watch(interval, as_json=as_json)
        return
    asyncio.run(_show_status(read_settings(WorkerSettings), as_json=as_json))


async def _show_status(settings: WorkerSettings, *, as_json: bool) -> None:
    """Print lanes and partitions at once, and the rest when it is counted; JSON as one document at the end."""
    async for found in read_status(settings, KafkaAdmin(settings)):
        if as_json:
            if found.complete:
                show(found, "", as_json=True)
        elif found.complete:
            typer.echo("\n" + render_text(database_tables(found), sys.stdout))
        else:
            typer.echo(render_text(progress_tables(found), sys.stdout))


def _watch(interval: float, *, as_json: bool) -> None:
    if as_json or not sys.stdout.isatty():
        raise UsageError("--watch needs a terminal; for a pipe or JSON, repeat `unenroll status`")
    asyncio.run(watch_status(read_settings(WorkerSettings), interval=interval))


Published = Annotated[bool, typer.Option("--published", help="also compare with the published messages; takes longer")]


def verify(  # noqa: PLR0913 - each is an option
    *,
    customer: Customers = None,
    target: Targets = None,
    published: Published = False,
    differences: Differences = None,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Decide each account again from its facts, and report differences. Changes nothing; exits with 1 if any."""
    scope = AuditScope(customers=tuple(customer or ()), targets=tuple(target or ()), published=published)
    verify_and_show(scope, differences=differences, report=report, as_json=as_json)


def verify_and_show(scope: AuditScope, *, differences: Path | None, report: Path | None, as_json: bool) -> None:
    """Verify these accounts, and print the result. Raises UnenrollError if there are differences."""
    database_url = read_settings(DatabaseSettings).database_url.get_secret_value()
    file = None if report is None else ReportFile(report)
    with _difference_file(differences) as note:
        result = asyncio.run(_verify(database_url, scope, note))
    if file is not None:
        file.write(result, verify_sheet(result))
    show(result, sheet_text(verify_sheet(result), sys.stdout), as_json=as_json)
    if result.drifted:
        raise UnenrollError(f"found differences in {plural(result.drifted, 'account')}")


async def _verify(database_url: str, scope: AuditScope, note: Note) -> VerifyResult:
    async with open_pool(database_url, connections=1) as pool:
        total = None if scope.customers or scope.targets else await estimate_accounts(pool)
        with progress("verify", total, count_unit("accounts")) as advance:
            return await verify_accounts(pool, scope, done=advance, note=note)


@contextmanager
def _difference_file(path: Path | None) -> Iterator[Note]:
    """A function that writes a difference to the file, or nowhere without a path. Raises UsageError."""
    if path is None:
        yield lambda _: None
        return
    try:
        with path.open("wb") as file:
            yield partial(_write, file)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _write(file: BinaryIO, difference: Difference) -> None:
    file.write(TypeAdapter(Difference).dump_json(difference) + b"\n")
