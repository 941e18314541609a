"""The picture of `unenroll top`: `make picture` draws a real worker that drains a backlog, into docs/top.svg."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from unenroll.sandbox.embedded import embedded
from unenroll.sandbox.place import cache_folder
from unenroll.sandbox.servers import addresses
from unenroll.settings import WorkerSettings
from unenroll.store.migrate import migrate
from unenroll.stream.cluster import Cluster
from unenroll.stream.topics import make_topics
from unenroll.top.looking import Looks
from unenroll.top.screen import Fitted
from unenroll.top.view import View, view

_PICTURE = Path(__file__).parents[1] / "docs" / "top.svg"
_FACTS = Path(__file__).parents[1] / "docs" / "examples" / "facts.ndjson"
_CUSTOMERS = range(1000, 16_000)
_COLUMNS, _ROWS = 118, 25
_EVERY = 1.0
_PATIENCE = 120


def main() -> None:
    """Draw it."""
    found = asyncio.run(_found())
    console = Console(record=True, width=_COLUMNS, height=_ROWS, file=StringIO(), force_terminal=True)
    console.print(Fitted(view=found, every=_EVERY))
    _PICTURE.write_text(_without_fonts(console.export_svg(title="unenroll top")), encoding="utf-8")
    sys.stdout.write(f"drawn: {_PICTURE.name}\n")


async def _found() -> View:
    """A view amid the work: with a lag, with rates of everything, with dead letters."""
    async with _servers() as environment:
        settings = WorkerSettings(
            kafka_bootstrap_servers=environment["UNENROLL_KAFKA_BOOTSTRAP_SERVERS"],
            database_url=environment["UNENROLL_DATABASE_URL"],
        )
        with TemporaryDirectory() as folder:
            file = Path(folder) / "events.ndjson"
            file.write_text("".join(f"{line}\n" for line in _lines()), encoding="utf-8")
            for words in (("load", str(_FACTS)), ("publish", str(file))):
                await (await _started(*words, environment=environment)).wait()
        worker = await _started("run", environment=environment)
        try:
            return await asyncio.wait_for(_amid(Looks.at(settings)), _PATIENCE)
        finally:
            worker.kill()
            await worker.wait()


async def _amid(looks: Looks) -> View:
    while True:
        found = view(await looks.again())
        moving = all(lane.decisions_per_second for lane in found.lanes)
        if found.lanes and moving and found.dead_letters and any(one.per_second for one in found.requests):
            return found
        await asyncio.sleep(_EVERY)


@asynccontextmanager
async def _servers() -> AsyncIterator[Mapping[str, str]]:
    async with embedded(cache=cache_folder({}), say=_say) as pair:
        there = addresses(pair)
        await migrate(there.database_url)
        settings = WorkerSettings(kafka_bootstrap_servers=there.kafka, database_url=there.database_url)
        await make_topics(Cluster(settings), settings.topic_prefix, partitions=4, replication=1)
        yield {**there.environment}


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _lines() -> Iterator[str]:
    for customer in _CUSTOMERS:
        of = {"customerId": customer, "targetGroupId": 11, "targetId": 21}
        yield _line("CustomerEnrolled", f"in-{customer}", {**of, "enrolledAt": "2026-01-01T00:00:00Z"})
        yield _line("UnenrollRequested", f"out-{customer}", {**of, "targetId": 21 if customer % 9 else 99})
        if not customer % 400:
            earned = {
                "rewardId": "R",
                "periodName": "c9",
                "allocation": "PERIOD_END",
                "achievedAt": "2026-03-05T00:00:00Z",
            }
            yield _line("RewardEarned", f"earned-{customer}", {**of, **earned})


def _line(name: str, event_id: str, data: Mapping[str, object]) -> str:
    return json.dumps({"type": name, "source": "/crm", "id": event_id, "time": "2026-03-15T00:00:00Z", "data": data})


async def _started(*words: str, environment: Mapping[str, str]) -> Process:
    program = [sys.executable, "-m", "unenroll", *words]
    return await asyncio.create_subprocess_exec(*program, env={**os.environ, **environment})


def _without_fonts(svg: str) -> str:
    """Whoever looks at it fetches no font from elsewhere: its own monospace one will do."""
    while "@font-face" in svg:
        begin = svg.index("@font-face")
        svg = svg[:begin] + svg[svg.index("}", begin) + 1 :].lstrip()
    return svg.replace("Fira Code, monospace", "monospace")


if __name__ == "__main__":
    main()
