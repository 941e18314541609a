"""The commands `unenroll offsets show` and `unenroll offsets set`."""

import asyncio
import sys
from typing import Annotated

import typer

from unenroll.cli.options import By, input_topics, operator_name, read_instant
from unenroll.cli.render.offsets import render_offsets, render_set
from unenroll.cli.runtime import Json, show
from unenroll.errors import UsageError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.ops.offsets.set import OffsetChangeOptions, OffsetTarget, PartitionChoice, Target, set_offsets
from unenroll.ops.offsets.show import GroupOffsets, group_offsets
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.settings import WorkerSettings, read_settings

app = typer.Typer(help="Show the group's offsets, or set them.", no_args_is_help=True)


@app.command("show")
def show_(*, as_json: Json = False) -> None:
    """Show each partition's offsets in Kafka and in Postgres, what the topic holds, and where a lane would resume."""
    offsets = asyncio.run(_group_offsets(read_settings(WorkerSettings)))
    show(offsets, render_offsets(offsets, sys.stdout), as_json=as_json)


async def _group_offsets(settings: WorkerSettings) -> GroupOffsets:
    async with open_pool(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        return await group_offsets(settings, pool, KafkaAdmin(settings))


@app.command("set")
def set_(  # noqa: PLR0913 - each is an option
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="WHERE", help="earliest, latest, decided (the offset in Postgres), an offset, or an instant"
        ),
    ],
    why: Annotated[str, typer.Option(help="why; `unenroll offsets show` prints it")],
    topic: Annotated[
        list[str] | None, typer.Option(metavar="TOPIC", help="only this topic: requests or facts; repeatable")
    ] = None,
    partition: Annotated[
        list[int] | None, typer.Option(metavar="N", min=0, help="only this partition; repeatable")
    ] = None,
    skip: Annotated[bool, typer.Option("--skip", help="even if this skips records that no worker has decided")] = False,
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="change nothing; report what would change")] = False,
    as_json: Json = False,
) -> None:
    """Set the group's offsets. All its workers have to be stopped. Reading decided records again changes nothing."""
    settings = read_settings(WorkerSettings)
    options = OffsetChangeOptions(
        choice=PartitionChoice(topics=input_topics(topic, settings.topic_prefix), numbers=frozenset(partition or ())),
        target=_target(to, one_partition=len(topic or ()) == len(partition or ()) == 1),
        by=operator_name(by),
        why=why,
        skip=skip,
        dry_run=dry_run,
    )
    result = asyncio.run(set_offsets(settings, options))
    show(result, render_set(result, sys.stdout), as_json=as_json)


def _target(text: str, *, one_partition: bool) -> Target:
    if text in {target.value for target in OffsetTarget}:
        return OffsetTarget(text)
    if text.isdecimal():
        if not one_partition:
            raise UsageError(f"--to {text}: an offset belongs to one partition: name it with --topic and --partition")
        return int(text)
    return read_instant(text, "--to")
