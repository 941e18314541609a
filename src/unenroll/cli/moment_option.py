"""An instant as an option."""

from datetime import datetime

from unenroll.errors import UsageError
from unenroll.legible import legible
from unenroll.wire.instants import parse_instant


def instant_if_any(text: str | None, option: str) -> datetime | None:
    """The instant that the text tells, if there is one. Raises UsageError that names the option."""
    return None if text is None else instant(text, option)


def instant(text: str, option: str) -> datetime:
    """The instant that the text tells. Raises UsageError that names the option."""
    try:
        told = parse_instant(text)
    except ValueError as error:
        raise UsageError(f"{option} {legible(text)}: {error}") from None
    if told.tzinfo is None:
        raise UsageError(f"{option} {legible(text)}: must carry an offset, like 2026-03-15T09:30:00+05:30")
    return told
