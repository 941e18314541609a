"""The commands `erase` and `prune`: they delete a customer, or old rows that no replay needs."""

import asyncio
import re
from collections.abc import Mapping
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
from unenroll.text import clock_time, escape_control, plural
from unenroll.wire.fields import LARGEST_INT64, SMALLEST_INT64


def erase(
    *,
    customer: Annotated[
        int, typer.Option(metavar="ID", min=SMALLEST_INT64, max=LARGEST_INT64, help="the customer's ID")
    ],
    patience: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="how long to wait for other transactions and for lanes")
    ] = 60.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count what would be erased")] = False,
    as_json: Json = False,
) -> None:
    """Erase a customer from Postgres for good. Records that Kafka still has do not bring the customer back."""
    options = ErasureOptions(customer_id=customer, dry_run=dry_run, patience=patience)
    result = asyncio.run(erase_customer(read_settings(WorkerSettings), options))
    show(result, _erasure_text(result), as_json=as_json)
    if result.unpublished and not dry_run:
        batches = plural(result.unpublished, "batch", "batches")
        raise UnenrollError(
            f"messages of customer {customer} in {batches} are not published yet: "
            "run a worker until it has published them, then erase again"
        )


def _erasure_text(result: ErasureResult) -> str:
    verb = "Would erase" if result.dry_run else "Erased"
    if result.until is None:
        until = "The customer was not erased before."
    else:
        until = f"Workers ignore the customer's events up to {clock_time(result.until)}."
    messages = plural(result.messages, "message")
    return f"{verb} customer {result.customer_id}: {messages}, and rows: {_row_counts(result.rows)}. {until}"


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LENGTH = re.compile(rf"(?P<count>\d{{1,6}})(?P<unit>[{''.join(_UNITS)}])", re.ASCII)


def prune(
    *,
    older_than: Annotated[
        str, typer.Option(metavar="LENGTH", help="minimum age, like 90d: a number and s, m, h, d or w")
    ],
    pause: Annotated[float, typer.Option(metavar="SECONDS", min=0, max=60, help="wait after each step")] = 0.05,
    force: Annotated[bool, typer.Option("--force", help="also delete what a replay may still need")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count what would be deleted")] = False,
    as_json: Json = False,
) -> None:
    """Delete old ledger rows, published messages and dead letters that no replay needs. Accounts do not change."""
    settings = read_settings(WorkerSettings)
    options = PruneOptions(older_than=_length(older_than), force=force, dry_run=dry_run, pause=pause)
    result = asyncio.run(prune_ledger(settings, options, progress))
    show(result, _prune_text(result), as_json=as_json)


def _length(text: str) -> timedelta:
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--older-than {escape_control(text)}: must be a number and one of {', '.join(_UNITS)}, like 90d"
        )
    return timedelta(**{_UNITS[match["unit"]]: int(match["count"])})


def _prune_text(result: PruneResult) -> str:
    verb = "Would delete" if result.dry_run else "Deleted"
    return f"{verb} rows from before {clock_time(result.before)}: {_row_counts(result.rows)}."


def _row_counts(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} from {table}" for table, count in rows.items())
