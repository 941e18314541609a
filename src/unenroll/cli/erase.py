"""The command that erases a customer."""

import asyncio
from typing import Annotated

import typer

from unenroll.cli.answers import Json, show
from unenroll.erase.erasing import erase as erase_customer
from unenroll.erase.order import Erased, ErasureOptions
from unenroll.errors import UnenrollError
from unenroll.moments import clock_time
from unenroll.settings import WorkerSettings, read
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
    done = asyncio.run(erase_customer(read(WorkerSettings), order))
    show(done, _told(done), as_json=as_json)
    if done.unpublished and not dry_run:
        raise UnenrollError(
            f"{done.unpublished} batches hold messages of customer {customer} that are not published yet: "
            "let a worker publish them, then erase again"
        )


def _told(done: Erased) -> str:
    counts = ", ".join(f"{count} of {table}" for table, count in done.rows.items())
    verb = "would erase" if done.dry_run else "erased"
    until = "was not erased before" if done.until is None else f"nothing up to {clock_time(done.until)} is taken again"
    return f"{verb} customer {done.customer_id}: rows {counts}; {done.messages} messages; {until}"
