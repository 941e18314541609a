"""The options of `replay`, and which of them go with which mode."""

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unenroll.errors import UsageError
from unenroll.replay.marked import Again


class Mode(StrEnum):
    """What a replay does."""

    SUPPRESS = "suppress"
    RE_EMIT = "re-emit"
    COMPARE = "compare"


Files = Annotated[list[Path] | None, typer.Argument(metavar="[FILE]", help="NDJSON files, also compressed")]
FromTopics = Annotated[bool, typer.Option("--from-topics", help="read the input topics instead of files")]
TheMode = Annotated[
    Mode,
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
TheTopics = Annotated[list[Again] | None, typer.Option("--topic", help="only this topic; may be said again (re-emit)")]
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
    Mode.SUPPRESS: _EVERYWHERE
    | {"files", "from_topics", "source_prefix", "offsets", "since", "until", "rate", "ahead", "patience", "wait"}
    | {"dry_run"},
    Mode.RE_EMIT: _EVERYWHERE | {"since", "until", "topic", "replay_id", "rate", "dry_run"},
    Mode.COMPARE: _EVERYWHERE | {"differences", "dry_run"},
}


_OF_TOPICS = {"source_prefix", "offsets"}


def check_options(context: typer.Context, mode: Mode) -> None:
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
