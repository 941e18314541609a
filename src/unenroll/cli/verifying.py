"""The command that holds what was decided against the facts."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from pydantic import TypeAdapter

from unenroll.cli.answers import Json, show
from unenroll.cli.choices import Customers, Differences, Report, Targets
from unenroll.errors import UnenrollError, UsageError
from unenroll.ndjson.progress import counted, progress
from unenroll.report.file import ReportFile
from unenroll.report.sheet import sheet_text
from unenroll.settings import DatabaseSettings, read
from unenroll.store.connect import connected
from unenroll.store.review import Scope, about
from unenroll.verify.difference import Difference
from unenroll.verify.tell import sheet
from unenroll.verify.verifying import Note, Verified
from unenroll.verify.verifying import verify as verify_accounts

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
    scope = Scope(customers=tuple(customer or ()), targets=tuple(target or ()), published=published)
    verify_scope(scope, differences=differences, report=report, as_json=as_json)


def verify_scope(scope: Scope, *, differences: Path | None, report: Path | None, as_json: bool) -> None:
    """Verify these accounts and tell. Raises UnenrollError if any of them is not as it follows from its facts."""
    database_url = read(DatabaseSettings).database_url.get_secret_value()
    file = None if report is None else ReportFile(report)
    with _noted(differences) as note:
        found = asyncio.run(_verified(database_url, scope, note))
    if file is not None:
        file.write(found, sheet(found))
    show(found, sheet_text(sheet(found), sys.stdout), as_json=as_json)
    if found.drifted:
        raise UnenrollError(f"{found.drifted:,} accounts are not as it follows from their facts")


async def _verified(database_url: str, scope: Scope, note: Note) -> Verified:
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
