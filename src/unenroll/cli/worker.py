"""Commands for whoever runs the worker."""

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
from unenroll.kafka.topics import TopicReport, WantedTopics, make_wanted, read_topics
from unenroll.postgres import migrate as tables
from unenroll.secret_files import SUFFIX, secrets_of
from unenroll.settings import PREFIX, DatabaseSettings, KafkaSettings, LogSettings, WorkerSettings, read_settings
from unenroll.worker.worker import run_worker

_OBJECTS_BETWEEN_COLLECTIONS = 100_000  # a batch makes many and no cycles: looking more often costs a third of the time


def migrate(
    *,
    even_if_held: Annotated[
        bool, typer.Option("--even-if-held", help="even if workers may hold lanes that are too old for the new tables")
    ] = False,
    as_json: Json = False,
) -> None:
    """Create or upgrade the tables. Safe to repeat, and to run from several places at once."""
    settings = read_settings(DatabaseSettings)
    done = asyncio.run(tables.migrate(settings.database_url.get_secret_value(), even_if_held=even_if_held))
    show(done, _migrated(done.before, done.after), as_json=as_json)


def topics(
    *,
    partitions: Annotated[int | None, typer.Option(min=1, help="partitions of a topic that is made; unset: 4")] = None,
    replication: Annotated[int | None, typer.Option(min=1, help="copies of a topic that is made; unset: 1")] = None,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="how topics are to be, as TOML")] = None,
    as_json: Json = False,
) -> None:
    """Create the missing topics, and report what differs in those that exist."""
    settings = read_settings(KafkaSettings)
    wanted = _wanted(partitions, replication, file)
    reports = asyncio.run(make_wanted(KafkaAdmin(settings), settings.topic_prefix, wanted))
    show(reports, "\n".join(_reported(report) for report in reports), as_json=as_json)


def _wanted(partitions: int | None, replication: int | None, file: Path | None) -> WantedTopics:
    if file is None:
        return WantedTopics(partitions=partitions or 4, replication=replication or 1)
    if partitions is not None or replication is not None:
        raise UsageError(
            "--file says how many partitions and copies there are: leave --partitions and --replication out"
        )
    return read_topics(file)


def run(
    *,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="end once everything that is in the topics now is done")
    ] = False,
) -> None:
    """Run the worker. SIGTERM and SIGINT stop it after the batch in hand."""
    asyncio.run(_run(read_settings(WorkerSettings), until_caught_up=until_caught_up))


async def _run(settings: WorkerSettings, *, until_caught_up: bool) -> None:
    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    await run_worker(settings, stop=stop_on_signal(), until_caught_up=until_caught_up)


def _migrated(before: str | None, after: str) -> str:
    if before == after:
        return f"the tables are at version {after} already"
    return f"the tables are at version {after} now" + (f" (before: {before})" if before else "")


def _reported(report: TopicReport) -> str:
    state = "made" if report.made else "; ".join(report.differs) or "exists as wanted"
    return f"{report.name}: {state}"


def settings_help(kind: type[BaseSettings]) -> str:
    """The epilog of a command with such settings: a paragraph for each with its default and its meaning."""
    lead = "Settings are environment variables, or lines of a file .env in the folder where the command runs:"
    names = ", ".join(PREFIX + name.upper() + SUFFIX for name in secrets_of(kind))
    files = f"Secrets may stand in files instead, which {names} name."
    return "\n\n".join([lead, files, *(escape(line) for each in (kind, LogSettings) for line in _lines(each))])


def defaults(kind: type[BaseSettings]) -> dict[str, str]:
    """What applies to each variable that is not set: its default, or `required`, or `unset`."""
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
