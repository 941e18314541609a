"""Clients files of the HTTP API, with cheap hashes."""

import base64
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher

CHEAP = PasswordHasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)
RIGHT = "crunchy armchair of 1987"
WRITE_READ = "unenroll:write,unenroll:read"


@cache
def hashed(secret: str) -> str:
    """The cheapest hash that the API accepts."""
    return CHEAP.hash(secret)


def line(name: str, secret: str = RIGHT, scopes: str = WRITE_READ) -> str:
    """A line of a clients file."""
    return f"{name} {scopes} {hashed(secret)}"


def write(path: Path, *lines: str, mode: int = 0o600) -> Path:
    """Write the file with these lines, and rename it into place as an operator should."""
    beside = path.with_name(path.name + ".new")
    beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    beside.chmod(mode)
    return beside.rename(path)


def basic(name: str, secret: str = RIGHT) -> str:
    """The credentials of a Basic Authorization header."""
    return base64.b64encode(f"{name}:{secret}".encode()).decode()
