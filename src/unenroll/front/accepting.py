"""Which form of an answer is preferred, by the Accept header (RFC 9110, section 12.5.1)."""

import re
from typing import NamedTuple

_QUALITY = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?", re.ASCII)


class _Range(NamedTuple):
    """One of the ranges that are accepted, and how much it is liked, from 0 to 1."""

    kind: str
    subkind: str
    quality: float

    def fits(self, kind: str, subkind: str) -> int:
        """How closely the range names the type: 0 if not at all."""
        if (self.kind, self.subkind) == (kind, subkind):
            return 3
        if (self.kind, self.subkind) == (kind, "*"):
            return 2
        return 1 if (self.kind, self.subkind) == ("*", "*") else 0


def prefers_page(accept: str | None) -> bool:
    """Whether a page is liked better than JSON, which is what everybody else gets, whatever they accept."""
    ranges = [found for part in (accept or "").split(",") if (found := _range(part)) is not None]
    return _quality(ranges, "text", "html") > _quality(ranges, "application", "json")


def _quality(ranges: list[_Range], kind: str, subkind: str) -> float:
    """By the range that names the type most closely."""
    fitting = ((found.fits(kind, subkind), found.quality) for found in ranges)
    return max((fit for fit in fitting if fit[0]), default=(0, 0.0))[1]


def _range(part: str) -> _Range | None:
    """The range that is written here, or None where nothing is that can be read."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    kind, slash, subkind = name.partition("/")
    if not (kind and slash and subkind):
        return None
    quality = next((value for key, _, value in (one.partition("=") for one in parameters) if key == "q"), "1")
    return _Range(kind, subkind, float(quality)) if _QUALITY.fullmatch(quality) else None
