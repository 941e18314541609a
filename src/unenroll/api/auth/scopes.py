"""The scopes of the HTTP API. They need none of the packages of the extra `api`, so every command can be imported."""

from enum import StrEnum


class ApiScope(StrEnum):
    """A permission of a caller."""

    WRITE = "unenroll:write"
    READ = "unenroll:read"
    BACKDATE = "unenroll:backdate"
