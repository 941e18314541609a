"""Options that choose what a command goes over, and where it tells of it."""

from pathlib import Path
from typing import Annotated

import typer

from unenroll.wire.fields import LARGEST_INT64, SMALLEST_INT64

_EVERY_ID = {"metavar": "ID", "min": SMALLEST_INT64, "max": LARGEST_INT64}

Customers = Annotated[
    list[int] | None, typer.Option("--customer", **_EVERY_ID, help="only this customer; may be said again")
]
Targets = Annotated[list[int] | None, typer.Option("--target", **_EVERY_ID, help="only this target; may be said again")]
Since = Annotated[str | None, typer.Option(metavar="INSTANT", help="not before, like 2026-03-15T09:30:00Z")]
Until = Annotated[str | None, typer.Option(metavar="INSTANT", help="before, like 2026-03-15T09:30:00Z")]
Report = Annotated[Path | None, typer.Option(metavar="FILE", help="write a report to this file: .txt or .json")]
Differences = Annotated[
    Path | None, typer.Option(metavar="FILE", help="write every difference to this file, a line of JSON each")
]
