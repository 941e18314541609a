"""Commands for offsets: `unenroll offsets …`."""

import asyncio
import sys
from typing import Annotated

import typer

from unenroll.cli.options import By, instant, topics_named, who
from unenroll.cli.render.offsets import render_set, render_standing
from unenroll.cli.runtime import Json, show
from unenroll.errors import UsageError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.ops.offsets.set import OffsetChangeOptions, OffsetTarget, PartitionChoice, Target, set_offsets
from unenroll.ops.offsets.show import GroupOffsets, group_offsets
from unenroll.postgres.pool import check_tables, connected
from unenroll.settings import WorkerSettings, read_settings

app = typer.Typer(help="Look at the group's offsets, or set them.", no_args_is_help=True)


@app.command("show")
def show_(*, as_json: Json = False) -> None:
    """Tell how committed offsets stand to what is decided and to what the topics hold."""
    found = asyncio.run(_standing(read_settings(WorkerSettings)))
    show(found, render_standing(found, sys.stdout), as_json=as_json)


@app.command("set")
def set_(  # noqa: PLR0913 - each is an option
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="WHERE", help="earliest, latest, decided (where the database stands), an offset, or an instant"
        ),
    ],
    why: Annotated[str, typer.Option(help="why, for whoever asks later")],
    topic: Annotated[list[str] | None, typer.Option(metavar="WORD", help="only of requests, or facts")] = None,
    partition: Annotated[list[int] | None, typer.Option(metavar="N", min=0, help="only these numbers")] = None,
    skip: Annotated[bool, typer.Option("--skip", help="even if records are left out that nobody has decided")] = False,
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell what would be set")] = False,
    as_json: Json = False,
) -> None:
    """Set the group's offsets, while none of its workers is alive. What is read again changes nothing."""
    settings = read_settings(WorkerSettings)
    order = OffsetChangeOptions(
        chosen=PartitionChoice(topics=topics_named(topic, settings.topic_prefix), numbers=frozenset(partition or ())),
        target=_target(to, one_place=len(topic or ()) == len(partition or ()) == 1),
        by=who(by),
        why=why,
        skip=skip,
        dry_run=dry_run,
    )
    done = asyncio.run(set_offsets(settings, order))
    show(done, render_set(done, sys.stdout), as_json=as_json)


async def _standing(settings: WorkerSettings) -> GroupOffsets:
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        return await group_offsets(settings, pool, KafkaAdmin(settings))


def _target(text: str, *, one_place: bool) -> Target:
    if text in {edge.value for edge in OffsetTarget}:
        return OffsetTarget(text)
    if text.isdecimal():
        if not one_place:
            raise UsageError(f"--to {text}: an offset is one of one partition: name it by --topic and --partition")
        return int(text)
    return instant(text, "--to")
