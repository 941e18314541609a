"""The command that erases a customer."""

import asyncio
import re
from datetime import timedelta
from typing import Annotated

import typer

from unenroll.cli.runtime import Json, show
from unenroll.errors import UnenrollError, UsageError
from unenroll.ops.erase.erase import ErasureOptions, ErasureResult
from unenroll.ops.erase.erase import erase as erase_customer
from unenroll.ops.progress import progress
from unenroll.ops.prune import PruneOptions, PruneResult
from unenroll.ops.prune import prune as prune_ledger
from unenroll.settings import WorkerSettings, read_settings
from unenroll.text import clock_time, escape_control
from unenroll.wire.fields import LARGEST_INT64, SMALLEST_INT64


def erase(
    *,
    customer: Annotated[
        int, typer.Option(metavar="ID", min=SMALLEST_INT64, max=LARGEST_INT64, help="the customer's number")
    ],
    patience: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="wait so long for the lanes")] = 60.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell what would go")] = False,
    as_json: Json = False,
) -> None:
    """Erase a customer from the tables, for good. What topics still hold of them does not bring them back."""
    order = ErasureOptions(customer_id=customer, dry_run=dry_run, patience=patience)
    done = asyncio.run(erase_customer(read_settings(WorkerSettings), order))
    show(done, _told(done), as_json=as_json)
    if done.unpublished and not dry_run:
        raise UnenrollError(
            f"{done.unpublished} batches hold messages of customer {customer} that are not published yet: "
            "let a worker publish them, then erase again"
        )


def _told(done: ErasureResult) -> str:
    counts = ", ".join(f"{count} of {table}" for table, count in done.rows.items())
    verb = "would erase" if done.dry_run else "erased"
    until = "was not erased before" if done.until is None else f"nothing up to {clock_time(done.until)} is taken again"
    return f"{verb} customer {done.customer_id}: rows {counts}; {done.messages} messages; {until}"


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LENGTH = re.compile(rf"(?P<count>\d{{1,6}})(?P<unit>[{''.join(_UNITS)}])", re.ASCII)


def prune(
    *,
    older_than: Annotated[str, typer.Option(metavar="LENGTH", help="like 90d: a number, and s, m, h, d or w")],
    pause: Annotated[float, typer.Option(metavar="SECONDS", min=0, max=60, help="after each step")] = 0.05,
    force: Annotated[bool, typer.Option("--force", help="even what may still come back from the topics")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count")] = False,
    as_json: Json = False,
) -> None:
    """Forget ledger rows, published bytes and dead letters that no replay needs any more. Accounts stay as they are."""
    settings = read_settings(WorkerSettings)
    order = PruneOptions(older_than=_length(older_than), force=force, dry_run=dry_run, pause=pause)
    done = asyncio.run(prune_ledger(settings, order, progress))
    show(done, _pruned(done), as_json=as_json)


def _length(text: str) -> timedelta:
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--older-than {escape_control(text)}: must be a number and one of {', '.join(_UNITS)}, like 90d"
        )
    return timedelta(**{_UNITS[found["unit"]]: int(found["count"])})


def _pruned(done: PruneResult) -> str:
    counts = ", ".join(f"{count} of {table}" for table, count in done.rows.items())
    return f"{'would forget' if done.dry_run else 'forgot'} rows from before {clock_time(done.before)}: {counts}"
