"""Content negotiation between JSON and HTML by the Accept header (RFC 9110, section 12.5.1)."""

import re
from typing import NamedTuple

_QUALITY = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?", re.ASCII)


class _Range(NamedTuple):
    """A media range of the header with its quality, from 0 to 1."""

    kind: str
    subkind: str
    quality: float

    def fits(self, kind: str, subkind: str) -> int:
        """How specifically the range matches the type: 0 if it does not match, up to 3 for an exact match."""
        if (self.kind, self.subkind) == (kind, subkind):
            return 3
        if (self.kind, self.subkind) == (kind, "*"):
            return 2
        return 1 if (self.kind, self.subkind) == ("*", "*") else 0


def prefers_page(accept: str | None) -> bool:
    """Whether the client prefers HTML to JSON. Everybody else gets JSON, whatever they accept."""
    ranges = [found for part in (accept or "").split(",") if (found := _range(part)) is not None]
    return _quality(ranges, "text", "html") > _quality(ranges, "application", "json")


def _quality(ranges: list[_Range], kind: str, subkind: str) -> float:
    """The quality of the most specific range that matches the type."""
    fitting = ((found.fits(kind, subkind), found.quality) for found in ranges)
    return max((fit for fit in fitting if fit[0]), default=(0, 0.0))[1]


def _range(part: str) -> _Range | None:
    """Parse one media range. None if it is malformed."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    kind, slash, subkind = name.partition("/")
    if not (kind and slash and subkind):
        return None
    quality = next((value for key, _, value in (one.partition("=") for one in parameters) if key == "q"), "1")
    return _Range(kind, subkind, float(quality)) if _QUALITY.fullmatch(quality) else None
