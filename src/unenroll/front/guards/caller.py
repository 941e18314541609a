"""Callers and their scopes."""

from dataclasses import dataclass
from enum import StrEnum


class ApiScope(StrEnum):
    """A permission of a caller."""

    WRITE = "unenroll:write"
    READ = "unenroll:read"
    BACKDATE = "unenroll:backdate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """An authenticated caller. The name has no spaces and no slashes; the name from a token has a colon."""

    name: str
    scopes: frozenset[ApiScope]


def scopes_among(words: list[str]) -> frozenset[ApiScope]:
    """The scopes among these words. Others belong to other programs."""
    return frozenset(scope for scope in ApiScope if scope in words)
