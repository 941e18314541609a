"""Text for people: tables, times and durations, with colors on a terminal and as plain lines in a pipe."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 100_000  # so wide that rich breaks no line
_UNITS = ((86_400, "day", "days"), (3_600, "h", "h"), (60, "min", "min"), (1, "s", "s"))


def render_text(parts: Iterable[RenderableType], file: TextIO) -> str:
    """Return the parts as text for this file: as wide as its terminal, or without line breaks in a pipe."""
    console = Console(file=file, width=None if file.isatty() else _PIPE_WIDTH)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().strip("\n").splitlines())


def titled_table(
    title: str, heads: Iterable[str], rows: Iterable[Iterable[RenderableType]]
) -> Iterator[RenderableType]:
    """Yield the title and the table below it; `none` takes the place of a table without rows."""
    yield Text(f"\n{title}", "bold")
    rendered = table(heads, rows)
    yield rendered if rendered.row_count else Text("  none")


def table(heads: Iterable[str], rows: Iterable[Iterable[RenderableType]]) -> Table:
    """Return an indented table with a header row."""
    rendered = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for head in ("", *heads):
        rendered.add_column(head, overflow="fold")
    for row in rows:
        rendered.add_row("", *row)
    return rendered


def grid(rows: Iterable[Iterable[RenderableType]]) -> Table:
    """Return an indented table without a header row."""
    rendered = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        rendered.add_row("", *row)
    return rendered


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Return the count and its noun, like `1 letter` or `2,000 letters`; `nouns` is an irregular plural."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def plain(text: str, style: str = "") -> Text:
    """Return text that neither rich nor the terminal interprets, for text from elsewhere."""
    return Text(escape_control(text), style)


def escape_control(text: str) -> str:
    """Return the text with U+FFFD in place of each character that is not printable."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)


def moment(instant: datetime) -> str:
    """Return the time of an event in UTC: `15 Mar 2026 00:00Z`, with seconds only if they are not zero."""
    utc = instant.astimezone(UTC)
    if not utc.second and not utc.microsecond:
        return f"{utc:%d %b %Y %H:%M}Z"
    fraction = f".{utc.microsecond:06}".rstrip("0").rstrip(".")
    return f"{utc:%d %b %Y %H:%M:%S}{fraction}Z"


def clock_time(instant: datetime) -> str:
    """Return a time of our own clock in UTC, to the second: `15 Mar 2026 00:00:07Z`."""
    return f"{instant.astimezone(UTC):%d %b %Y %H:%M:%S}Z"


def duration(length: timedelta) -> str:
    """Return a duration in its two largest units, rounded down: `7 h 12 min` or `2 days`."""
    left = int(length.total_seconds())
    if left < 1:
        return "less than a second"
    counts: list[tuple[int, str]] = []
    for seconds, one, many in _UNITS:
        count, left = divmod(left, seconds)
        if count or counts:
            counts.append((count, one if count == 1 else many))
    return " ".join(f"{count} {unit}" for count, unit in counts[:2] if count)
