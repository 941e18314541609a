"""What a report says, whatever it is written as."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

from rich.console import RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from unenroll.paper import plain, printed

Cells = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows below a title. `heads` may be empty: then the first cell of a row says what the others are."""

    title: str
    heads: Cells = ()
    rows: tuple[Cells, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """A title, some sentences, and tables. A table without rows is left out."""

    title: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]


def counts(title: str, found: Iterable[tuple[str, int]]) -> Table:
    """How many there are of each, those of which there are none left out."""
    return Table(title=title, rows=tuple((what, f"{count:,}") for what, count in found if count))


def sheet_text(sheet: Sheet, file: TextIO) -> str:
    """The sheet as it is to be shown in this file: as wide as a terminal is, or with no line broken."""
    tables = (part for table in sheet.tables if table.rows for part in _table(table))
    return printed([plain(sheet.title, "bold"), *map(plain, sheet.sentences), *tables], file)


def _table(table: Table) -> Iterable[RenderableType]:
    yield Text()
    yield plain(table.title, "bold")
    drawn = RichTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", show_header=bool(table.heads))
    width = max(map(len, table.rows))
    for head in ("", *(table.heads or ("",) * width)):
        drawn.add_column(head, overflow="fold")
    for row in table.rows:
        drawn.add_row(Text(), *map(plain, row))
    yield drawn
