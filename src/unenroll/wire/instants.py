"""Instants as text (RFC 3339)."""

import re
from datetime import UTC, datetime

LONGEST = 64

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)

_INFINITE = frozenset({datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)})
_OUTSIDE = "must be an instant that exists, between the years 1 and 9999 in UTC"


def parse_instant(text: str) -> datetime:
    """The instant in UTC, truncated to microseconds; naive if the text carries no offset.

    Raises ValueError, worded to follow the field's path, for anything else than RFC 3339 and for what no calendar has,
    the first and the last microsecond of all among it: Postgres's client takes those for infinity.
    """
    if len(text) > LONGEST or _RFC_3339.fullmatch(text) is None:
        raise ValueError("must be an instant like 2026-03-15T09:30:00+05:30")
    try:
        instant = datetime.fromisoformat(text.upper())
        instant = instant if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_OUTSIDE) from None
    if instant.replace(tzinfo=UTC) in _INFINITE:
        raise ValueError(_OUTSIDE)
    return instant


def instant_text(instant: datetime) -> str:
    """The instant in UTC with `Z`, with six digits of a second unless all are zero. Raises ValueError if naive."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no offset")
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
