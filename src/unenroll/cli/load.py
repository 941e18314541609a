"""Commands that take files in."""

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
from unenroll.ops.publish import PublishResult, most_bytes
from unenroll.ops.publish import publish as publish_lines
from unenroll.settings import DatabaseSettings, KafkaSettings, read_settings

_OBJECTS_BETWEEN_COLLECTIONS = 100_000  # lines make many and no cycles: looking more often costs a fifth of the time

Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="NDJSON files; -: standard input")]
Rejects = Annotated[Path | None, typer.Option(metavar="FILE", help="write the bad lines to this file, as they were")]


def load(files: Files, *, rejects: Rejects = None, as_json: Json = False) -> None:
    """Load definitions and facts straight into Postgres. Safe to repeat, and beside workers."""
    settings = read_settings(DatabaseSettings)
    with loaded_text("load", files, rejects) as (taken, bad):
        loaded = asyncio.run(_load(taken, settings.database_url.get_secret_value(), bad))
    show(loaded, _loaded(loaded), as_json=as_json)
    fail_if(bad, rejects)


def publish(files: Files, *, as_json: Json = False) -> None:
    """Publish events to the topics that they belong to."""
    settings = read_settings(KafkaSettings)
    with loaded_text("publish", files) as (taken, bad):
        limits = asyncio.run(most_bytes(settings))
        published = publish_lines(taken, settings, limits=limits, bad=bad)
    show(published, _published(published), as_json=as_json)
    fail_if(bad)


@contextmanager
def loaded_text(
    doing: str, files: Sequence[Path], rejects: Path | None = None
) -> Iterator[tuple[Iterator[Line], BadLines]]:
    """The lines of the files, with progress shown, and where bad ones are told of. Raises UsageError."""
    check_files(files)
    with bad_lines(files, rejects) as bad, progress(doing, total_bytes(files)) as read_bytes:
        yield lines(files, read_bytes), bad


async def _load(taken: Iterator[Line], database_url: str, bad: BadLines) -> LoadResult:
    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # asyncio waits for its loop to notice an interrupt, and the loop waits for whoever writes to standard input.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return await load_lines(taken, database_url, bad=bad)


def _loaded(loaded: LoadResult) -> str:
    erased = f"; {loaded.erased} tell of customers who were erased since" if loaded.erased else ""
    return (
        f"loaded {loaded.definitions} definitions and {loaded.facts} facts; {loaded.duplicates} were known already"
        + erased
    )


def _published(published: PublishResult) -> str:
    return (
        f"published {published.requests} to requests, {published.facts} to facts, "
        f"{published.definitions} to definitions"
    )


def fail_if(bad: BadLines, rejects: Path | None = None) -> None:
    """Raise UnenrollError if there were bad lines."""
    if bad.count:
        kept = "" if rejects is None else f", and written to {rejects}"
        raise UnenrollError(f"bad lines: {bad.count}{kept}; the others were taken")
