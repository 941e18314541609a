"""Options that several commands share, and the functions that read their values."""

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

_ID = {"metavar": "ID", "min": SMALLEST_INT64, "max": LARGEST_INT64}

Customers = Annotated[list[int] | None, typer.Option("--customer", **_ID, help="only this customer; repeatable")]
Targets = Annotated[list[int] | None, typer.Option("--target", **_ID, help="only this target; repeatable")]
Since = Annotated[str | None, typer.Option(metavar="INSTANT", help="only from this instant, like 2026-03-15T09:30:00Z")]
Until = Annotated[
    str | None, typer.Option(metavar="INSTANT", help="only before this instant, like 2026-03-15T09:30:00Z")
]
Report = Annotated[Path | None, typer.Option(metavar="FILE", help="write a report to this file, .txt or .json")]
Differences = Annotated[
    Path | None, typer.Option(metavar="FILE", help="write all differences to this file, one line of JSON each")
]
By = Annotated[
    str | None, typer.Option(metavar="NAME", help="name of the operator; default: the user and name of this machine")
]


def optional_instant(text: str | None, option: str) -> datetime | None:
    """Return the instant, or None if there is no text. Raises UsageError that names the option."""
    return None if text is None else read_instant(text, option)


def read_instant(text: str, option: str) -> datetime:
    """Return the instant that the text means. Raises UsageError that names the option."""
    try:
        instant = parse_instant(text)
    except ValueError as error:
        raise UsageError(f"{option} {escape_control(text)}: {error}") from None
    if instant.tzinfo is None:
        raise UsageError(f"{option} {escape_control(text)}: must carry an offset, like 2026-03-15T09:30:00+05:30")
    return instant


def input_topics(names: Iterable[str] | None, prefix: str) -> frozenset[str]:
    """Return the full names of these input topics. The names may lack the prefix. Raises UsageError."""
    return frozenset(_input_topic(name, prefix) for name in names or ())


def _input_topic(name: str, prefix: str) -> str:
    for topic in INPUTS:
        if name in {topic.value, prefix + topic}:
            return prefix + topic
    raise UsageError(f"--topic {escape_control(name)}: must be one of {', '.join(sorted(INPUTS))}")


def operator_name(by: str | None) -> str:
    """Return the name given with --by, or USER@MACHINE."""
    return by or f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a user id that has no name
        return "somebody"


def record_edit(letters: list[str] | None, value: Path | None, headers: list[str] | None) -> RecordEdit | None:
    """Return the edit that --value and --header describe, or None without them.

    Raises UsageError unless exactly one letter is named, or if the file cannot be read.
    """
    if value is None and not headers:
        return None
    if letters is None or len(letters) != 1:
        raise UsageError("--value and --header edit one letter: name exactly one")
    content = None if value is None else _content(value)
    return RecordEdit(value=content, headers=tuple(_header(text) for text in headers or ()))


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


class ReplayMode(StrEnum):
    """What a replay does."""

    SUPPRESS = "suppress"
    RE_EMIT = "re-emit"
    COMPARE = "compare"


Files = Annotated[
    list[Path] | None, typer.Argument(metavar="[FILE]", help="NDJSON files, plain or compressed; - is standard input")
]
FromTopics = Annotated[bool, typer.Option("--from-topics", help="read the input topics instead of files")]
Mode = Annotated[
    ReplayMode,
    typer.Option(
        help="suppress: send records that were not decided yet; re-emit: publish the stored events again; "
        "compare: decide again and report differences, like `unenroll verify`"
    ),
]
SourcePrefix = Annotated[
    str | None, typer.Option(metavar="PREFIX", help="read a copy of the topics under this prefix (suppress)")
]
Offsets = Annotated[
    list[str] | None,
    typer.Option(
        "--offsets",
        metavar="TOPIC/PARTITION:FIRST-LAST",
        help="only these offsets, both included; repeatable (suppress)",
    ),
]
OutputTopics = Annotated[
    list[ReplayTopics] | None, typer.Option("--topic", help="only this topic; repeatable (re-emit)")
]
ReplayId = Annotated[
    str | None,
    typer.Option(metavar="ID", help="marks the events; the same id continues that replay; default: a new id (re-emit)"),
]
Rate = Annotated[float | None, typer.Option(metavar="N", min=0.01, help="maximum number of records or events a second")]
Ahead = Annotated[
    int, typer.Option(metavar="N", min=1, help="maximum number of records sent and not decided yet (suppress)")
]
Patience = Annotated[
    float, typer.Option(metavar="SECONDS", min=1, help="give up when the lanes make no progress for so long (suppress)")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="wait until the lanes have decided (suppress)")]
ReplayDryRun = Annotated[bool, typer.Option("--dry-run", help="send and publish nothing; report what would happen")]


_EVERY_MODE = {"mode", "customer", "target", "report", "as_json"}
_ALLOWED = {
    ReplayMode.SUPPRESS: _EVERY_MODE
    | {"files", "from_topics", "source_prefix", "offsets", "since", "until", "rate", "ahead", "patience", "wait"}
    | {"dry_run"},
    ReplayMode.RE_EMIT: _EVERY_MODE | {"since", "until", "topic", "replay_id", "rate", "dry_run"},
    ReplayMode.COMPARE: _EVERY_MODE | {"differences", "dry_run"},
}
_ONLY_FROM_TOPICS = {"source_prefix", "offsets"}


def check_replay_options(context: typer.Context, mode: ReplayMode) -> None:
    """Raise UsageError if the command line has options that the mode, or a replay of files, does not take."""
    present = {name for name in context.params if _is_on_command_line(context, name)}
    _refuse(context, present - _ALLOWED[mode], f"--mode {mode}")
    if "files" in present:
        _refuse(context, present & _ONLY_FROM_TOPICS, "a replay of files")


def _refuse(context: typer.Context, present: Collection[str], subject: str) -> None:
    names = {one.name: "FILE" if one.name == "files" else one.opts[0] for one in context.command.params}
    if present:
        raise UsageError(f"{subject} takes no {', '.join(sorted(names[name] for name in present))}")


def _is_on_command_line(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
