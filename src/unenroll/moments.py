"""Instants and durations in words, the same for everybody who reads them."""

from datetime import UTC, datetime, timedelta

_UNITS = ((86_400, "day", "days"), (3_600, "h", "h"), (60, "min", "min"), (1, "s", "s"))


def moment(instant: datetime) -> str:
    """The instant in UTC, like `15 Mar 2026 00:00Z`, with seconds only where there are some."""
    utc = instant.astimezone(UTC)
    if not utc.second and not utc.microsecond:
        return f"{utc:%d %b %Y %H:%M}Z"
    fraction = f".{utc.microsecond:06}".rstrip("0").rstrip(".")
    return f"{utc:%d %b %Y %H:%M:%S}{fraction}Z"


def clock_time(instant: datetime) -> str:
    """When something happened to us, in UTC to the second, like `15 Mar 2026 00:00:07Z`."""
    return f"{instant.astimezone(UTC):%d %b %Y %H:%M:%S}Z"


def duration(length: timedelta) -> str:
    """A length of time in its two largest units, the rest cut off, like `7 h 12 min` or `2 days`."""
    left = int(length.total_seconds())
    if left < 1:
        return "less than a second"
    counts: list[tuple[int, str]] = []
    for seconds, one, many in _UNITS:
        count, left = divmod(left, seconds)
        if count or counts:
            counts.append((count, one if count == 1 else many))
    return " ".join(f"{count} {unit}" for count, unit in counts[:2] if count)
