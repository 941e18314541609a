"""Dead letters in words and tables: colors on a terminal, plain lines in a pipe."""

from collections.abc import Iterator, Sequence
from typing import TextIO

from pydantic_core import from_json, to_json
from rich.console import RenderableType
from rich.text import Text

from unenroll.ops.dlq.list import LetterDetails, LetterList, LetterSummary, ReasonCount
from unenroll.ops.dlq.redrive import ParkResult, RedriveResult
from unenroll.postgres.redrives import LetterState
from unenroll.text import clock_time, grid, plain, print_table, table

_NEVER = "never as it is"
_NOTHING = "\N{EN DASH}"
_HEADS = ("letter", "put aside", "reason", "from", "key", "redrives", "state", "why")
_COLORS = {
    LetterState.OPEN: "yellow",
    LetterState.REDRIVEN: "green",
    LetterState.UNSETTLED: "red",
    LetterState.PARKED: "dim",
}


def render_list(listed: LetterList, file: TextIO) -> str:
    """The letters as they are to be shown in this file."""
    return print_table(_listed(listed), file)


def render_letter(shown: LetterDetails, file: TextIO) -> str:
    """One letter, whole."""
    return print_table(_shown(shown), file)


def render_redrive(redriven: RedriveResult, file: TextIO) -> str:
    """What was put back, and what was not."""
    return print_table(_redriven(redriven), file)


def render_park(parked: ParkResult) -> str:
    """What was parked."""
    would = "would park" if parked.dry_run else "parked"
    return f"{would} {parked.parked} letters; {parked.before} were parked or put back before"


def _listed(listed: LetterList) -> Iterator[RenderableType]:
    yield Text("Dead letters by reason", "bold")
    yield grid(map(_count, listed.counts)) if listed.counts else Text("  none")
    if listed.latest:
        rest = "" if len(listed.latest) == listed.letters else f", the latest {len(listed.latest)} of {listed.letters}"
        yield Text(f"\nLetters{rest}", "bold")
        yield table(_HEADS, map(_row, listed.latest))


def _count(count: ReasonCount) -> Sequence[Text]:
    heals = Text(f"heals {count.heals}", "green") if count.heals else Text(f"heals {_NEVER}", "red")
    return plain(count.reason), Text(count.state, _COLORS[count.state]), Text(str(count.letters)), heals


def _row(one: LetterSummary) -> Iterator[Text]:
    yield plain(one.letter)
    yield Text(clock_time(one.at) if one.at else _NOTHING)
    yield plain(one.reason, "" if one.heals else "red")
    yield plain(one.origin)
    yield plain(one.key or _NOTHING)
    yield Text(str(one.redrives))
    yield Text(one.state, _COLORS[one.state])
    yield plain(one.detail)


def _shown(shown: LetterDetails) -> Iterator[RenderableType]:
    one = shown.told
    yield plain(f"{one.letter}: {one.reason}", "bold")
    yield grid(_facts(shown))
    yield Text("\nHeaders", "bold")
    headers = [(plain(header.name), plain(header.text or header.base64 or _NOTHING)) for header in shown.headers]
    yield grid(headers) if headers else Text("  none")
    yield Text("\nValue", "bold")
    yield from (Text(f"  {line}") for line in _value(shown))


def _facts(shown: LetterDetails) -> Iterator[Sequence[Text]]:
    one = shown.told
    yield Text("why"), plain(one.detail)
    yield Text("heals"), Text(one.heals or _NEVER)
    yield Text("from"), plain(one.origin)
    yield Text("put aside"), Text(clock_time(one.at) if one.at else _NOTHING)
    yield Text("redrives"), Text(str(one.redrives))
    yield Text("state"), plain(_state(one))
    yield Text("key"), plain(one.key or _NOTHING)
    if one.left_out:
        yield Text("left out"), plain(", ".join(one.left_out))


def _state(one: LetterSummary) -> str:
    if one.handled_at is None:
        return one.state
    why = f": {one.why}" if one.why else ""
    return f"{one.state}, {clock_time(one.handled_at)}, by {one.handled_by}{why}"


def _value(shown: LetterDetails) -> Iterator[str]:
    if shown.sha256 is not None:
        yield f"left out: {shown.size} bytes, SHA-256 {shown.sha256}"
    elif shown.text is None:
        yield "none" if shown.base64 is None else f"in Base64: {shown.base64}"
    else:
        yield from (plain(line).plain for line in _indented(shown.text).splitlines())


def _indented(text: str) -> str:
    try:
        return to_json(from_json(text), indent=2).decode()
    except ValueError:
        return text


def _redriven(redriven: RedriveResult) -> Iterator[RenderableType]:
    would = "would put back" if redriven.dry_run else "put back"
    parked = f"{redriven.parked} were put back too often and are parked now" if redriven.parked else ""
    parked = parked.replace("are parked now", "would be parked") if redriven.dry_run else parked
    left = [f"{count} {why}" for why, count in sorted(redriven.left_alone.items())]
    parts = [f"{would} {redriven.put_back} letters", parked, f"left alone: {', '.join(left)}" if left else ""]
    yield Text("; ".join(part for part in parts if part))
    if redriven.dry_run and redriven.letters:
        yield table(_HEADS, map(_row, redriven.letters))
