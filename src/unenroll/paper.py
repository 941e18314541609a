"""What is printed for a person: colors on a terminal, plain lines in a pipe."""

from collections.abc import Iterable, Iterator
from typing import TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from unenroll.legible import legible

_UNBROKEN = 100_000


def printed(parts: Iterable[RenderableType], file: TextIO) -> str:
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
    return Text(legible(text), style)
