"""Files named by a person, looked at before anything is done."""

import os
from collections.abc import Sequence
from pathlib import Path

from unenroll.errors import UnenrollError, UsageError
from unenroll.ndjson.compressed import STANDARD_INPUT, opened

_PIECE = 1024 * 1024


def check_files(files: Sequence[Path]) -> None:
    """Raise UsageError that names each file that is not there or cannot be read."""
    flaws = [flaw for file in files if file != STANDARD_INPUT and (flaw := _flaw(file))]
    if files.count(STANDARD_INPUT) > 1:
        flaws.append("- is named twice, and standard input can be read once")
    if flaws:
        raise UsageError("; ".join(flaws))


def check_whole(files: Sequence[Path]) -> None:
    """Raise UsageError that names each file that is cut off, damaged, or holds something else than lines of JSON.

    What comes on standard input cannot be read twice, so it is not looked at.
    """
    flaws = [flaw for file in files if file != STANDARD_INPUT and (flaw := _flaw_within(file))]
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


def _flaw_within(file: Path) -> str | None:
    try:
        with opened(file) as (stream, _):
            piece = stream.read(_PIECE)
            if piece.strip() and not piece.lstrip().startswith(b"{"):
                return f"{file} does not begin with a line of JSON"
            while piece:
                piece = stream.read(_PIECE)
    except UnenrollError as error:
        return str(error)
    return None
