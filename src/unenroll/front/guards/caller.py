"""Who calls, and what the caller may do."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a caller may do."""

    WRITE = "unenroll:write"
    READ = "unenroll:read"
    BACKDATE = "unenroll:backdate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who was recognized. The name has neither spaces nor slashes, and one of a token has a colon."""

    name: str
    scopes: frozenset[Scope]


def scopes_among(words: list[str]) -> frozenset[Scope]:
    """Those of the words that are scopes of ours: others are for other programs."""
    return frozenset(scope for scope in Scope if scope in words)
