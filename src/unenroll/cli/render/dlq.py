"""Render results of `unenroll dlq`: colors on a terminal, plain lines in a pipe."""

from collections.abc import Iterator, Sequence
from typing import TextIO

from pydantic_core import from_json, to_json
from rich.console import RenderableType
from rich.text import Text

from unenroll.ops.dlq.list import LetterDetails, LetterList, LetterSummary, ReasonCount
from unenroll.ops.dlq.redrive import ParkResult, RedriveResult
from unenroll.ops.dlq.rules import RedriveDecision
from unenroll.postgres.redrives import LetterState
from unenroll.text import clock_time, grid, plain, plural, render_text, table

_PERMANENT = "retrying will not help: edit or park it"
_NOTHING = "\N{EN DASH}"
_HEADS = ("letter", "dead-lettered", "reason", "record", "key", "redrives", "state", "detail")
_COLORS = {
    LetterState.OPEN: "yellow",
    LetterState.REDRIVEN: "green",
    LetterState.UNSETTLED: "red",
    LetterState.PARKED: "dim",
}
_SKIPPED = {
    RedriveDecision.OTHER_TOPIC: "from a topic that is not an input",
    RedriveDecision.ERASED: "of a customer who was erased since",
    RedriveDecision.REDRIVEN_BEFORE: "put back before",
    RedriveDecision.IS_PARKED: "parked before (--parked puts them back)",
    RedriveDecision.NOT_RETRYABLE: "that retrying will not help (edit or park them, or name their reason)",
    RedriveDecision.INCOMPLETE: "without parts of the record that did not fit (give the value with --value)",
    RedriveDecision.TOO_LARGE: "too large for the topic with one more header",
}


def render_list(letters: LetterList, file: TextIO) -> str:
    """Return the text of the list for this file."""
    return render_text(_list(letters), file)


def render_letter(details: LetterDetails, file: TextIO) -> str:
    """Return the text of one letter for this file."""
    return render_text(_letter(details), file)


def render_redrive(result: RedriveResult, file: TextIO) -> str:
    """Return the text of the result of a redrive for this file."""
    return render_text(_redrive(result), file)


def render_park(result: ParkResult) -> str:
    """Return the sentence that says how many letters were parked."""
    verb = "Would park" if result.dry_run else "Parked"
    before = f" {plural(result.before, 'letter')} had been parked or put back before." if result.before else ""
    return f"{verb} {plural(result.parked, 'letter')}.{before}"


def _list(letters: LetterList) -> Iterator[RenderableType]:
    yield Text("Dead letters by reason", "bold")
    yield grid(map(_count, letters.counts)) if letters.counts else Text("  none")
    if letters.latest:
        shown = len(letters.latest)
        part = "" if shown == letters.letters else f", the latest {shown} of {letters.letters:,}"
        yield Text(f"\nLetters{part}", "bold")
        yield table(_HEADS, map(_row, letters.latest))


def _count(count: ReasonCount) -> Sequence[Text]:
    retry = Text(f"retry {count.retry_condition}", "green") if count.retry_condition else Text(_PERMANENT, "red")
    return plain(count.reason), Text(count.state, _COLORS[count.state]), Text(f"{count.letters:,}"), retry


def _row(summary: LetterSummary) -> Iterator[Text]:
    yield plain(summary.letter)
    yield Text(clock_time(summary.at) if summary.at else _NOTHING)
    yield plain(summary.reason, "" if summary.retry_condition else "red")
    yield plain(summary.origin)
    yield plain(summary.key or _NOTHING)
    yield Text(str(summary.redrives))
    yield Text(summary.state, _COLORS[summary.state])
    yield plain(summary.detail)


def _letter(details: LetterDetails) -> Iterator[RenderableType]:
    summary = details.summary
    yield plain(f"{summary.letter}: {summary.reason}", "bold")
    yield grid(_properties(details))
    yield Text("\nHeaders", "bold")
    headers = [(plain(header.name), plain(header.text or header.base64 or _NOTHING)) for header in details.headers]
    yield grid(headers) if headers else Text("  none")
    yield Text("\nValue", "bold")
    yield from (Text(f"  {line}") for line in _value_lines(details))


def _properties(details: LetterDetails) -> Iterator[Sequence[Text]]:
    summary = details.summary
    yield Text("detail"), plain(summary.detail)
    yield Text("retry"), Text(summary.retry_condition or _PERMANENT)
    yield Text("record"), plain(summary.origin)
    yield Text("dead-lettered"), Text(clock_time(summary.at) if summary.at else _NOTHING)
    yield Text("redrives"), Text(str(summary.redrives))
    yield Text("state"), plain(_state(summary))
    yield Text("key"), plain(summary.key or _NOTHING)
    if summary.left_out:
        yield Text("did not fit"), plain(", ".join(summary.left_out))


def _state(summary: LetterSummary) -> str:
    if summary.handled_at is None:
        return summary.state
    why = f": {summary.why}" if summary.why else ""
    return f"{summary.state}, {clock_time(summary.handled_at)}, by {summary.handled_by}{why}"


def _value_lines(details: LetterDetails) -> Iterator[str]:
    if details.sha256 is not None:
        yield f"too large to keep: {details.size} bytes, SHA-256 {details.sha256}"
    elif details.text is None:
        yield "none" if details.base64 is None else f"in Base64: {details.base64}"
    else:
        yield from (plain(line).plain for line in _indented(details.text).splitlines())


def _indented(text: str) -> str:
    try:
        return to_json(from_json(text), indent=2).decode()
    except ValueError:
        return text


def _redrive(result: RedriveResult) -> Iterator[RenderableType]:
    verb = "Would put back" if result.dry_run else "Put back"
    yield Text(f"{verb} {plural(result.put_back, 'letter')}.")
    if result.parked:
        verb = "Would park" if result.dry_run else "Parked"
        yield Text(f"{verb} {plural(result.parked, 'letter')}, put back too often already (--max-redrives).")
    if result.skipped:
        yield Text("Left alone:")
        reasons = sorted(result.skipped.items())
        yield grid((Text(f"{count:,}"), Text(_SKIPPED[RedriveDecision(reason)])) for reason, count in reasons)
    if result.dry_run and result.letters:
        yield table(_HEADS, map(_row, result.letters))
