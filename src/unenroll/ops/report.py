"""The file that a report is written to: its name says in which form."""

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
from unenroll.text import plain, print_table

Cells = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportTable:
    """Rows below a title. `heads` may be empty: then the first cell of a row says what the others are."""

    title: str
    heads: Cells = ()
    rows: tuple[Cells, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportSheet:
    """A title, some sentences, and tables. A table without rows is left out."""

    title: str
    sentences: tuple[str, ...]
    tables: tuple[ReportTable, ...]


def counts(title: str, found: Iterable[tuple[str, int]]) -> ReportTable:
    """How many there are of each, those of which there are none left out."""
    return ReportTable(title=title, rows=tuple((what, f"{count:,}") for what, count in found if count))


def sheet_text(sheet: ReportSheet, file: TextIO) -> str:
    """The sheet as it is to be shown in this file: as wide as a terminal is, or with no line broken."""
    tables = (part for table in sheet.tables if table.rows for part in _table(table))
    return print_table([plain(sheet.title, "bold"), *map(plain, sheet.sentences), *tables], file)


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
    """A form by the end of the file's name."""

    TEXT = ".txt"
    JSON = ".json"


class ReportFile:
    """A file that can be written, found out before anything else is done. Raises UsageError."""

    def __init__(self, path: Path) -> None:
        forms = {form.value: form for form in ReportFormat}
        if path.suffix.lower() not in forms:
            raise UsageError(f"{path}: a report is written to a file whose name ends with {', '.join(forms)}")
        self._form = forms[path.suffix.lower()]
        try:
            self._file: TextIO = path.open("a", encoding="utf-8")  # what is there stays until there is a report
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error

    def write(self, result: object, sheet: ReportSheet) -> None:
        """Write the result, or the sheet that tells of it. Raises UnenrollError if there is no room for it."""
        try:
            with self._file:
                self._file.truncate(0)
                self._file.write(self._text(result, sheet))
        except OSError as error:
            raise UnenrollError(f"cannot write {self._file.name}: {error.strerror}") from error

    def _text(self, result: object, sheet: ReportSheet) -> str:
        if self._form is ReportFormat.JSON:
            return TypeAdapter(type(result)).dump_json(result, indent=2).decode() + "\n"
        return sheet_text(sheet, self._file) + "\n"


_HEADS = ("customer", "target", "held against", "of", "is kept", "should be")


def sheet(verified: VerifyResult) -> ReportSheet:
    """The report."""
    return ReportSheet(title="Decisions verified", sentences=tuple(_sentences(verified)), tables=_tables(verified))


def _sentences(verified: VerifyResult) -> list[str]:
    against = "their facts, the ledger and what was published" if verified.published else "their facts and the ledger"
    said = [f"{verified.accounts:,} accounts were held against {against}."]
    if verified.due:
        said.append(f"{verified.due:,} of them wait to be settled again, after cycles were appended.")
    if not verified.drifted:
        return [*said, "All is as it follows from the facts."]
    said.append(f"{verified.drifted:,} of them are not as it follows from the facts.")
    total = sum(verified.differences.values())
    return [*said, f"The first {len(verified.told):,} of {total:,} differences are listed."]


def _tables(verified: VerifyResult) -> tuple[ReportTable, ...]:
    found = counts("Differences", ((what.value, count) for what, count in verified.differences.items()))
    return found, ReportTable(title="What differs", heads=_HEADS, rows=tuple(map(_row, verified.told)))


def _row(one: Difference) -> Cells:
    return str(one.customer_id), str(one.target_id), one.against.value, one.about, one.kept, one.decided
