"""The commands `load` and `publish`: they read NDJSON files into Postgres or onto Kafka topics."""

import asyncio
import gc
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from unenroll.cli.runtime import Json, show
from unenroll.errors import UnenrollError
from unenroll.ops.files import Line, check_files, lines, total_bytes
from unenroll.ops.load.load import LoadResult
from unenroll.ops.load.load import load as load_lines
from unenroll.ops.progress import BadLines, bad_lines, progress
from unenroll.ops.publish import PublishResult, batch_limits_by_topic
from unenroll.ops.publish import publish as publish_lines
from unenroll.settings import DatabaseSettings, KafkaSettings, read_settings
from unenroll.text import plural

_OBJECTS_BETWEEN_COLLECTIONS = 100_000  # lines make many objects and no cycles: the default costs a fifth of the time

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="NDJSON files, plain or compressed; - is standard input")
]
Rejects = Annotated[Path | None, typer.Option(metavar="FILE", help="write bad lines to this file, unchanged")]


def load(files: Files, *, rejects: Rejects = None, as_json: Json = False) -> None:
    """Load definitions and facts directly into Postgres. Safe to repeat, and safe while workers run."""
    settings = read_settings(DatabaseSettings)
    with open_lines("load", files, rejects) as (input_lines, bad):
        result = asyncio.run(_load(input_lines, settings, bad))
    show(result, _load_text(result), as_json=as_json)
    fail_on_bad_lines(bad, rejects)


def publish(files: Files, *, as_json: Json = False) -> None:
    """Publish the events in these files, each to the Kafka topic for its type."""
    settings = read_settings(KafkaSettings)
    with open_lines("publish", files) as (input_lines, bad):
        limits = asyncio.run(batch_limits_by_topic(settings))
        result = publish_lines(input_lines, settings, limits=limits, bad=bad)
    show(result, _publish_text(result), as_json=as_json)
    fail_on_bad_lines(bad)


@contextmanager
def open_lines(
    activity: str, files: Sequence[Path], rejects: Path | None = None
) -> Iterator[tuple[Iterator[Line], BadLines]]:
    """The lines of the files, and a collector for bad ones. Shows progress. Raises UsageError if a file is missing."""
    check_files(files)
    with bad_lines(files, rejects) as bad, progress(activity, total_bytes(files)) as advance:
        yield lines(files, advance), bad


def fail_on_bad_lines(bad: BadLines, rejects: Path | None = None) -> None:
    """Raise UnenrollError if there were bad lines."""
    if bad.count:
        destination = "" if rejects is None else f", written to {rejects}"
        raise UnenrollError(f"skipped {plural(bad.count, 'bad line')}{destination}; processed all other lines")


async def _load(input_lines: Iterator[Line], settings: DatabaseSettings, bad: BadLines) -> LoadResult:
    gc.freeze()  # imported modules are never garbage
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # asyncio handles an interrupt in its loop, and the loop blocks while it reads standard input.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    database_url = settings.database_url.get_secret_value()
    return await load_lines(input_lines, database_url, bad=bad, max_facts=settings.max_account_facts)


def _load_text(result: LoadResult) -> str:
    skipped = plural(result.duplicates, "duplicate")
    if result.erased:
        skipped += f" and {plural(result.erased, 'fact')} of erased customers"
    return f"Loaded {plural(result.definitions, 'definition')} and {plural(result.facts, 'fact')}; skipped {skipped}."


def _publish_text(result: PublishResult) -> str:
    return (
        f"Published {plural(result.requests, 'request')}, {plural(result.facts, 'fact')} "
        f"and {plural(result.definitions, 'definition')}."
    )
