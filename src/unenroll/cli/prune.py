"""The command that forgets what no replay needs any more."""

import asyncio
import re
from datetime import timedelta
from typing import Annotated

import typer

from unenroll.cli.answers import Json, show
from unenroll.errors import UsageError
from unenroll.legible import legible
from unenroll.moments import clock_time
from unenroll.ndjson.progress import progress
from unenroll.prune.pruning import Pruned, PruneOptions
from unenroll.prune.pruning import prune as prune_ledger
from unenroll.settings import WorkerSettings, read

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
    settings = read(WorkerSettings)
    order = PruneOptions(older_than=_length(older_than), force=force, dry_run=dry_run, pause=pause)
    done = asyncio.run(prune_ledger(settings, order, progress))
    show(done, _pruned(done), as_json=as_json)


def _length(text: str) -> timedelta:
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise UsageError(f"--older-than {legible(text)}: must be a number and one of {', '.join(_UNITS)}, like 90d")
    return timedelta(**{_UNITS[found["unit"]]: int(found["count"])})


def _pruned(done: Pruned) -> str:
    counts = ", ".join(f"{count} of {table}" for table, count in done.rows.items())
    return f"{'would forget' if done.dry_run else 'forgot'} rows from before {clock_time(done.before)}: {counts}"
