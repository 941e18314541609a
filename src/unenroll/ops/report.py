"""Reports of `verify` and `replay`: sentences and tables, printed or written to a text or JSON file."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TextIO

from pydantic import TypeAdapter
from rich.console import RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from unenroll.errors import UnenrollError, UsageError
from unenroll.ops.verify.differences import Difference
from unenroll.ops.verify.verify import VerifyResult
from unenroll.text import plain, plural, render_text

Cells = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportTable:
    """Rows below a title. Without `heads`, the first cell of each row names the others."""

    title: str
    heads: Cells = ()
    rows: tuple[Cells, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportSheet:
    """A title, sentences and tables. The text leaves out tables without rows."""

    title: str
    sentences: tuple[str, ...]
    tables: tuple[ReportTable, ...]


def counts(title: str, items: Iterable[tuple[str, int]]) -> ReportTable:
    """A table of names and counts, without those that are zero."""
    return ReportTable(title=title, rows=tuple((name, f"{count:,}") for name, count in items if count))


def sheet_text(sheet: ReportSheet, file: TextIO) -> str:
    """The sheet as text for this file: as wide as the terminal, or with unbroken lines in a pipe."""
    tables = (part for table in sheet.tables if table.rows for part in _table(table))
    return render_text([plain(sheet.title, "bold"), *map(plain, sheet.sentences), *tables], file)


def _table(table: ReportTable) -> Iterable[RenderableType]:
    yield Text()
    yield plain(table.title, "bold")
    drawn = RichTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", show_header=bool(table.heads))
    width = max(map(len, table.rows))
    for head in ("", *(table.heads or ("",) * width)):
        drawn.add_column(head, overflow="fold")
    for row in table.rows:
        drawn.add_row(Text(), *map(plain, row))
    yield drawn


class ReportFormat(Enum):
    """The format of a report file, by the suffix of its name."""

    TEXT = ".txt"
    JSON = ".json"


class ReportFile:
    """A report file, opened before the command does its work. Raises UsageError if it cannot be written."""

    def __init__(self, path: Path) -> None:
        formats = {one.value: one for one in ReportFormat}
        if path.suffix.lower() not in formats:
            raise UsageError(f"cannot write a report to {path}: its name must end with {' or '.join(formats)}")
        self._format = formats[path.suffix.lower()]
        try:
            self._file: TextIO = path.open("a", encoding="utf-8")  # an old report stays until the new one is complete
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error

    def write(self, result: object, sheet: ReportSheet) -> None:
        """Write the sheet as text, or the result as JSON. Raises UnenrollError if the write fails."""
        try:
            with self._file:
                self._file.truncate(0)
                self._file.write(self._text(result, sheet))
        except OSError as error:
            raise UnenrollError(f"cannot write {self._file.name}: {error.strerror}") from error

    def _text(self, result: object, sheet: ReportSheet) -> str:
        if self._format is ReportFormat.JSON:
            return TypeAdapter(type(result)).dump_json(result, indent=2).decode() + "\n"
        return sheet_text(sheet, self._file) + "\n"


_HEADS = ("customer", "target", "compared with", "item", "stored", "expected")


def verify_sheet(result: VerifyResult) -> ReportSheet:
    """The report of `verify`."""
    return ReportSheet(title="Verification", sentences=tuple(_sentences(result)), tables=_tables(result))


def _sentences(result: VerifyResult) -> list[str]:
    sources = "facts, ledger and published messages" if result.published else "facts and ledger"
    found = f"differences in {plural(result.drifted, 'account')}" if result.drifted else "no differences"
    sentences = [f"Checked {plural(result.accounts, 'account')} against {sources}: {found}."]
    if result.due:
        sentences.append(f"A worker still has to settle {plural(result.due, 'account')} with appended cycles.")
    if result.drifted:
        total = sum(result.differences.values())
        sentences.append(f"Listed {len(result.listed):,} of {plural(total, 'difference')}.")
    return sentences


def _tables(result: VerifyResult) -> tuple[ReportTable, ...]:
    differences = counts("Differences", ((kind.value, count) for kind, count in result.differences.items()))
    return differences, ReportTable(title="First differences", heads=_HEADS, rows=tuple(map(_row, result.listed)))


def _row(one: Difference) -> Cells:
    return str(one.customer_id), str(one.target_id), one.against.value, one.about, one.stored, one.decided
