"""What is printed for a person: colors on a terminal, plain lines in a pipe."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text


def escape_control(text: str) -> str:
    """The text with each character that cannot be printed replaced by U+FFFD."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in text)


_UNBROKEN = 100_000


def print_table(parts: Iterable[RenderableType], file: TextIO) -> str:
    """The parts as they are to be shown in this file: as wide as a terminal is, or with no line broken."""
    console = Console(file=file, width=None if file.isatty() else _UNBROKEN)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().strip("\n").splitlines())


def titled(title: str, heads: Iterable[str], rows: Iterable[Iterable[RenderableType]]) -> Iterator[RenderableType]:
    """A table below its title, or the word that it has no rows."""
    yield Text(f"\n{title}", "bold")
    shown = table(heads, rows)
    yield shown if shown.row_count else Text("  none")


def table(heads: Iterable[str], rows: Iterable[Iterable[RenderableType]]) -> Table:
    """Rows below heads, a little indented."""
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for head in ("", *heads):
        shown.add_column(head, overflow="fold")
    for row in rows:
        shown.add_row("", *row)
    return shown


def grid(rows: Iterable[Iterable[RenderableType]]) -> Table:
    """Rows without heads, a little indented."""
    shown = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        shown.add_row("", *row)
    return shown


def plain(text: str, style: str = "") -> Text:
    """Text from elsewhere: nothing in it is markup, or obeyed by a terminal."""
    return Text(escape_control(text), style)


_UNITS = ((86_400, "day", "days"), (3_600, "h", "h"), (60, "min", "min"), (1, "s", "s"))


def moment(instant: datetime) -> str:
    """The instant in UTC, like `15 Mar 2026 00:00Z`, with seconds only where there are some."""
    utc = instant.astimezone(UTC)
    if not utc.second and not utc.microsecond:
        return f"{utc:%d %b %Y %H:%M}Z"
    fraction = f".{utc.microsecond:06}".rstrip("0").rstrip(".")
    return f"{utc:%d %b %Y %H:%M:%S}{fraction}Z"


def clock_time(instant: datetime) -> str:
    """When something happened to us, in UTC to the second, like `15 Mar 2026 00:00:07Z`."""
    return f"{instant.astimezone(UTC):%d %b %Y %H:%M:%S}Z"


def duration(length: timedelta) -> str:
    """A length of time in its two largest units, the rest cut off, like `7 h 12 min` or `2 days`."""
    left = int(length.total_seconds())
    if left < 1:
        return "less than a second"
    counts: list[tuple[int, str]] = []
    for seconds, one, many in _UNITS:
        count, left = divmod(left, seconds)
        if count or counts:
            counts.append((count, one if count == 1 else many))
    return " ".join(f"{count} {unit}" for count, unit in counts[:2] if count)
