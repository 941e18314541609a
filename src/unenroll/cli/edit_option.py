"""The edit of one dead letter, as options."""

from pathlib import Path

from unenroll.dlq.judging import Edit
from unenroll.errors import UsageError
from unenroll.legible import legible


def edit_of(letters: list[str] | None, value: Path | None, headers: list[str] | None) -> Edit | None:
    """What takes the place of what, if anything does. Raises UsageError unless it is of one letter that is named."""
    if value is None and not headers:
        return None
    if letters is None or len(letters) != 1:
        raise UsageError("--value and --header edit one letter: name it, and no other")
    return Edit(
        value=None if value is None else _content(value), headers=tuple(_header(text) for text in headers or ())
    )


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise UsageError(f"--header {legible(text)}: must be NAME=VALUE")
    return name, value
