"""The command that publishes calls again whose events Kafka has lost."""

import asyncio
from datetime import timedelta
from typing import Annotated

import typer

from unenroll.cli.answers import Json, show
from unenroll.front.resending import Resent, resend
from unenroll.moments import clock_time
from unenroll.settings import WorkerSettings, read


def resend_calls(
    *,
    older_than: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="leave younger ones to the lanes")] = 60.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count")] = False,
    as_json: Json = False,
) -> None:
    """Publish undecided calls to the HTTP API again. The worker decides an event that arrives twice once."""
    done = asyncio.run(resend(read(WorkerSettings), older_than=timedelta(seconds=older_than), dry_run=dry_run))
    show(done, _told(done), as_json=as_json)


def _told(done: Resent) -> str:
    verb = "would publish" if done.dry_run else "published"
    return f"{verb} {done.calls} calls again that came before {clock_time(done.before)}"
