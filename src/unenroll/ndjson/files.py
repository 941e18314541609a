"""Files named by a person, looked at before anything is done."""

import os
from collections.abc import Sequence
from pathlib import Path

from unenroll.errors import UsageError
from unenroll.ndjson.lines import STANDARD_INPUT


def check_files(files: Sequence[Path]) -> None:
    """Raise UsageError that names each file that is not there or cannot be read."""
    flaws = [flaw for file in files if file != STANDARD_INPUT and (flaw := _flaw(file))]
    if files.count(STANDARD_INPUT) > 1:
        flaws.append("- is named twice, and standard input can be read once")
    if flaws:
        raise UsageError("; ".join(flaws))


def total_bytes(files: Sequence[Path]) -> int | None:
    """How many bytes the files have together, or None if one of them does not say."""
    if not all(file.is_file() for file in files):
        return None
    return sum(file.stat().st_size for file in files)


def _flaw(file: Path) -> str | None:
    if not file.exists():
        return f"there is no file {file}"
    if file.is_dir():
        return f"{file} is a directory"
    return None if os.access(file, os.R_OK) else f"{file} cannot be read"
