"""Options that choose what a command goes over, and where it tells of it."""

import getpass
import socket
from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unenroll.errors import UsageError
from unenroll.kafka.topics import INPUTS
from unenroll.ops.dlq.rules import RecordEdit
from unenroll.ops.replay.slices import ReplayTopics
from unenroll.text import escape_control
from unenroll.wire.fields import LARGEST_INT64, SMALLEST_INT64, parse_instant

_EVERY_ID = {"metavar": "ID", "min": SMALLEST_INT64, "max": LARGEST_INT64}

Customers = Annotated[
    list[int] | None, typer.Option("--customer", **_EVERY_ID, help="only this customer; may be said again")
]
Targets = Annotated[list[int] | None, typer.Option("--target", **_EVERY_ID, help="only this target; may be said again")]
Since = Annotated[str | None, typer.Option(metavar="INSTANT", help="not before, like 2026-03-15T09:30:00Z")]
Until = Annotated[str | None, typer.Option(metavar="INSTANT", help="before, like 2026-03-15T09:30:00Z")]
Report = Annotated[Path | None, typer.Option(metavar="FILE", help="write a report to this file: .txt or .json")]
Differences = Annotated[
    Path | None, typer.Option(metavar="FILE", help="write every difference to this file, a line of JSON each")
]


def edit_of(letters: list[str] | None, value: Path | None, headers: list[str] | None) -> RecordEdit | None:
    """What takes the place of what, if anything does. Raises UsageError unless it is of one letter that is named."""
    if value is None and not headers:
        return None
    if letters is None or len(letters) != 1:
        raise UsageError("--value and --header edit one letter: name it, and no other")
    return RecordEdit(
        value=None if value is None else _content(value), headers=tuple(_header(text) for text in headers or ())
    )


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise UsageError(f"--header {escape_control(text)}: must be NAME=VALUE")
    return name, value


def instant_if_any(text: str | None, option: str) -> datetime | None:
    """The instant that the text tells, if there is one. Raises UsageError that names the option."""
    return None if text is None else instant(text, option)


def instant(text: str, option: str) -> datetime:
    """The instant that the text tells. Raises UsageError that names the option."""
    try:
        told = parse_instant(text)
    except ValueError as error:
        raise UsageError(f"{option} {escape_control(text)}: {error}") from None
    if told.tzinfo is None:
        raise UsageError(f"{option} {escape_control(text)}: must carry an offset, like 2026-03-15T09:30:00+05:30")
    return told


def topics_named(words: Iterable[str] | None, prefix: str) -> frozenset[str]:
    """The full names of the input topics that a person named, in full or by the word. Raises UsageError."""
    return frozenset(_topic(word, prefix) for word in words or ())


def _topic(word: str, prefix: str) -> str:
    for known in INPUTS:
        if word in {known.value, prefix + known}:
            return prefix + known
    raise UsageError(f"--topic {escape_control(word)}: must be one of {', '.join(sorted(INPUTS))}")


By = Annotated[str | None, typer.Option(metavar="NAME", help="who does it; unset: the user of this machine")]


def who(named: str | None) -> str:
    """The name that was given, or else the user and the machine."""
    return named or f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return "somebody"


class ReplayMode(StrEnum):
    """What a replay does."""

    SUPPRESS = "suppress"
    RE_EMIT = "re-emit"
    COMPARE = "compare"


Files = Annotated[list[Path] | None, typer.Argument(metavar="[FILE]", help="NDJSON files, also compressed")]
FromTopics = Annotated[bool, typer.Option("--from-topics", help="read the input topics instead of files")]
TheMode = Annotated[
    ReplayMode,
    typer.Option(
        help="suppress: the lanes decide what is missing; re-emit: publish again what was published; "
        "compare: decide again and report differences, as `unenroll verify`"
    ),
]
SourcePrefix = Annotated[
    str | None, typer.Option(metavar="PREFIX", help="read topics of this prefix, a copy of ours (suppress)")
]
TheOffsets = Annotated[
    list[str] | None,
    typer.Option("--offsets", metavar="TOPIC/PARTITION:FIRST-LAST", help="only these; may be said again (suppress)"),
]
TheTopics = Annotated[
    list[ReplayTopics] | None, typer.Option("--topic", help="only this topic; may be said again (re-emit)")
]
ReplayId = Annotated[
    str | None,
    typer.Option(metavar="ID", help="marks what is published again; given again, goes on with that replay (re-emit)"),
]
Rate = Annotated[float | None, typer.Option(metavar="N", min=0.01, help="take so many a second at most")]
Ahead = Annotated[
    int, typer.Option(metavar="N", min=1, help="records that the lanes may have in front of them (suppress)")
]
Patience = Annotated[
    float, typer.Option(metavar="SECONDS", min=1, help="how long the lanes may stand still (suppress)")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="wait until the lanes have decided (suppress)")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="send and publish nothing, and say what would be")]


_EVERYWHERE = {"mode", "customer", "target", "report", "as_json"}
_TAKES = {
    ReplayMode.SUPPRESS: _EVERYWHERE
    | {"files", "from_topics", "source_prefix", "offsets", "since", "until", "rate", "ahead", "patience", "wait"}
    | {"dry_run"},
    ReplayMode.RE_EMIT: _EVERYWHERE | {"since", "until", "topic", "replay_id", "rate", "dry_run"},
    ReplayMode.COMPARE: _EVERYWHERE | {"differences", "dry_run"},
}


_OF_TOPICS = {"source_prefix", "offsets"}


def check_options(context: typer.Context, mode: ReplayMode) -> None:
    """Raise UsageError if options were given that do not go with the mode, or with files."""
    given = {name for name in context.params if _said(context, name)}
    _refuse(context, given - _TAKES[mode], f"--mode {mode}")
    if "files" in given:
        _refuse(context, given & _OF_TOPICS, "a replay of files")


def _refuse(context: typer.Context, given: Collection[str], who: str) -> None:
    names = {one.name: "FILE" if one.name == "files" else one.opts[0] for one in context.command.params}
    if given:
        raise UsageError(f"{who} takes no {', '.join(sorted(names[name] for name in given))}")


def _said(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
