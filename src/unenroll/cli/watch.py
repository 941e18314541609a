"""`status --watch`: the status tables on a terminal, refreshed until the user stops it."""

import asyncio
from time import monotonic

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from unenroll.cli.render.status import status_tables
from unenroll.errors import OutageError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.ops.status import status
from unenroll.settings import WorkerSettings
from unenroll.text import plain


async def watch(settings: WorkerSettings, *, interval: float) -> None:
    """Refresh the tables until the task is canceled. Shows an outage above the last tables. Raises SetupError.

    Each query counts the whole ledger, so the pause before the next one is at least as long as the query took.
    """
    kafka = KafkaAdmin(settings)
    tables: list[RenderableType] = []
    with Live(Text("Reading Kafka and Postgres …", "dim"), auto_refresh=False) as live:
        while True:
            began = monotonic()
            try:
                tables = list(status_tables(await status(settings, kafka)))
                live.update(Group(*tables), refresh=True)
            except OutageError as error:
                live.update(Group(plain(f"! {error}", "bold red"), *tables), refresh=True)
            await asyncio.sleep(max(interval, monotonic() - began))
