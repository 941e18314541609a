"""The status on a terminal, refreshed until somebody ends it."""

import asyncio
from time import monotonic

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from unenroll.cli.render.status import tables
from unenroll.errors import OutageError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.ops.status import status
from unenroll.settings import WorkerSettings
from unenroll.text import plain


async def watch(settings: WorkerSettings, *, interval: float) -> None:
    """Refresh the tables until this is canceled. An outage is a line above the last tables. Raises SetupError.

    Between two questions Postgres rests at least as long as the last one took: it counts the whole ledger.
    """
    cluster = KafkaAdmin(settings)
    shown: list[RenderableType] = []
    with Live(Text("Asking Kafka and Postgres …", "dim"), auto_refresh=False) as live:
        while True:
            began = monotonic()
            try:
                shown = list(tables(await status(settings, cluster)))
                live.update(Group(*shown), refresh=True)
            except OutageError as error:
                live.update(Group(plain(f"! {error}", "bold red"), *shown), refresh=True)
            await asyncio.sleep(max(interval, monotonic() - began))
