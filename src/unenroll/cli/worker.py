"""The commands that prepare and run the worker, and the help text of its settings."""

import asyncio
import gc
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings
from rich.markup import escape

from unenroll.cli.runtime import Json, show, stop_on_signal
from unenroll.errors import UsageError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import TopicReport, TopicsConfig, create_topics, read_topics
from unenroll.postgres import migrate as migrations
from unenroll.secret_files import SUFFIX, secrets_of
from unenroll.settings import PREFIX, DatabaseSettings, KafkaSettings, LogSettings, WorkerSettings, read_settings
from unenroll.worker.worker import run_worker

_OBJECTS_BETWEEN_COLLECTIONS = (
    100_000  # a batch creates many objects and no cycles: the default costs a third of the time
)


def migrate(
    *,
    even_if_held: Annotated[
        bool,
        typer.Option("--even-if-held", help="upgrade even if running workers may be too old for the new tables"),
    ] = False,
    as_json: Json = False,
) -> None:
    """Create or upgrade the tables. Safe to repeat, and to run in several places at once."""
    settings = read_settings(DatabaseSettings)
    done = asyncio.run(migrations.migrate(settings.database_url.get_secret_value(), even_if_held=even_if_held))
    show(done, _migration_text(done.before, done.after), as_json=as_json)


def _migration_text(before: str | None, after: str) -> str:
    if before == after:
        return f"the tables are already at version {after}"
    if before is None:
        return f"created the tables at version {after}"
    return f"upgraded the tables from version {before} to {after}"


def topics(
    *,
    partitions: Annotated[int | None, typer.Option(min=1, help="partitions of each new topic; unset: 4")] = None,
    replication: Annotated[int | None, typer.Option(min=1, help="replicas of each partition; unset: 1")] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file with partitions, replication and topic settings")
    ] = None,
    as_json: Json = False,
) -> None:
    """Create the missing topics, and report how existing ones differ from what is configured."""
    settings = read_settings(KafkaSettings)
    config = _topics_config(partitions, replication, file)
    reports = asyncio.run(create_topics(KafkaAdmin(settings), settings.topic_prefix, config))
    show(reports, "\n".join(_topic_text(report) for report in reports), as_json=as_json)


def _topics_config(partitions: int | None, replication: int | None, file: Path | None) -> TopicsConfig:
    if file is None:
        return TopicsConfig(partitions=partitions or 4, replication=replication or 1)
    if partitions is not None or replication is not None:
        raise UsageError("--file already sets partitions and replication: leave out --partitions and --replication")
    return read_topics(file)


def _topic_text(report: TopicReport) -> str:
    state = "created" if report.made else "; ".join(report.differs) or "exists as configured"
    return f"{report.name}: {state}"


def run(
    *,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="exit when all records that are in the topics now are processed")
    ] = False,
) -> None:
    """Run the worker. On SIGTERM or SIGINT it finishes the current batch and stops."""
    asyncio.run(_run(read_settings(WorkerSettings), until_caught_up=until_caught_up))


async def _run(settings: WorkerSettings, *, until_caught_up: bool) -> None:
    gc.freeze()  # imported objects are never garbage
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    await run_worker(settings, stop=stop_on_signal(), until_caught_up=until_caught_up)


def settings_help(kind: type[BaseSettings]) -> str:
    """The epilog of a command with these settings: one paragraph for each, with its default and its meaning."""
    intro = "Settings are environment variables, or lines of a file .env in the folder where the command runs:"
    names = ", ".join(PREFIX + name.upper() + SUFFIX for name in secrets_of(kind))
    files = f"A secret can be in a file instead: set {names} to its path."
    return "\n\n".join([intro, files, *(escape(line) for each in (kind, LogSettings) for line in _lines(each))])


def defaults(kind: type[BaseSettings]) -> dict[str, str]:
    """The default of each variable, or `required`, or `unset`."""
    return {PREFIX + name.upper(): _default(field.default) for name, field in kind.model_fields.items()}


def _lines(kind: type[BaseSettings]) -> Iterator[str]:
    for (variable, default), field in zip(defaults(kind).items(), kind.model_fields.values(), strict=True):
        yield f"{variable} ({default}): {field.description}"


def _default(default: object) -> str:
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "unset"
    return str(default.value if isinstance(default, Enum) else default)
