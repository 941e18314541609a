"""Instants as text (RFC 3339)."""

import re
from datetime import UTC, datetime

import msgspec
import msgspec.json

LONGEST = 64

_LONGEST_QUICK = len("2026-03-15T04:00:00.000000Z")

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)

_INFINITE = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_JSON = msgspec.json.Encoder().encode
_OUTSIDE = "must be an instant that exists, between the years 1 and 9999 in UTC"


def parse_instant(text: str) -> datetime:
    """The instant in UTC, truncated to microseconds; naive if the text carries no offset.

    Raises ValueError, worded to follow the field's path, for anything else than RFC 3339 and for what no calendar has,
    the first and the last microsecond of all among it: Postgres's client takes those for infinity.
    """
    if text.endswith("Z") and len(text) <= _LONGEST_QUICK and "0002" < text < "9999":
        try:
            return msgspec.convert(text, datetime)
        except (msgspec.ValidationError, UnicodeEncodeError):
            pass  # they say less of why than we do
    return parse_any_instant(text)


def parse_any_instant(text: str) -> datetime:
    """The same, of any text: msgspec would round some, keep some at their offset, and words refusals otherwise."""
    if len(text) > LONGEST or _RFC_3339.fullmatch(text) is None:
        raise ValueError("must be an instant like 2026-03-15T09:30:00+05:30")
    try:
        instant = datetime.fromisoformat(text.upper())
        instant = instant if instant.tzinfo is None else in_utc(instant)
    except (ValueError, OverflowError):
        raise ValueError(_OUTSIDE) from None
    if (instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant) in _INFINITE:
        raise ValueError(_OUTSIDE)
    return instant


def instant_text(instant: datetime) -> str:
    """The instant in UTC with `Z`, with six digits of a second unless all are zero. Raises ValueError if naive."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no offset")
    return _JSON(in_utc(instant))[1:-1].decode()


def in_utc(instant: datetime) -> datetime:
    """The same instant, in UTC. `instant` carries an offset."""
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
