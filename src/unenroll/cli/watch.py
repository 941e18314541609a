"""`status --watch`: the status tables on a terminal, refreshed until the user stops it."""

import asyncio
from time import monotonic

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from unenroll.cli.render.status import database_tables, progress_tables
from unenroll.cli.runtime import stop_on_signal
from unenroll.errors import OutageError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.ops.status import status
from unenroll.settings import WorkerSettings
from unenroll.text import plain


async def watch(settings: WorkerSettings, *, interval: float) -> None:
    """Refresh the tables until SIGINT or SIGTERM. Shows an outage above the last tables. Raises SetupError.

    Each query counts the whole ledger, so the pause before the next one is at least as long as the query took.
    """
    stop = stop_on_signal()
    with Live(Text("Reading Kafka and Postgres …", "dim"), auto_refresh=False) as live:
        # No cancellation of this task: `asyncio.wait_for` of Python 3.11 loses one that comes beside a result.
        refreshing = asyncio.ensure_future(_refresh(live, settings, interval=interval))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({refreshing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if refreshing.done():
            refreshing.result()


async def _refresh(live: Live, settings: WorkerSettings, *, interval: float) -> None:
    kafka = KafkaAdmin(settings)
    progress: list[RenderableType] = []
    database: list[RenderableType] = []
    while True:
        began = monotonic()
        try:
            async for found in status(settings, kafka):
                progress = list(progress_tables(found))
                database = list(database_tables(found)) if found.complete else database
                live.update(Group(*progress, *database), refresh=True)
        except OutageError as error:
            live.update(Group(plain(f"! {error}", "bold red"), *progress, *database), refresh=True)
        await asyncio.sleep(max(interval, monotonic() - began))
