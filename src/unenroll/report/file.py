"""The file that a report is written to: its name says in which form."""

from enum import Enum
from pathlib import Path
from typing import TextIO

from pydantic import TypeAdapter

from unenroll.errors import UnenrollError, UsageError
from unenroll.report.sheet import Sheet, sheet_text


class Form(Enum):
    """A form by the end of the file's name."""

    TEXT = ".txt"
    JSON = ".json"


class ReportFile:
    """A file that can be written, found out before anything else is done. Raises UsageError."""

    def __init__(self, path: Path) -> None:
        forms = {form.value: form for form in Form}
        if path.suffix.lower() not in forms:
            raise UsageError(f"{path}: a report is written to a file whose name ends with {', '.join(forms)}")
        self._form = forms[path.suffix.lower()]
        try:
            self._file: TextIO = path.open("a", encoding="utf-8")  # what is there stays until there is a report
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error

    def write(self, result: object, sheet: Sheet) -> None:
        """Write the result, or the sheet that tells of it. Raises UnenrollError if there is no room for it."""
        try:
            with self._file:
                self._file.truncate(0)
                self._file.write(self._text(result, sheet))
        except OSError as error:
            raise UnenrollError(f"cannot write {self._file.name}: {error.strerror}") from error

    def _text(self, result: object, sheet: Sheet) -> str:
        if self._form is Form.JSON:
            return TypeAdapter(type(result)).dump_json(result, indent=2).decode() + "\n"
        return sheet_text(sheet, self._file) + "\n"
