"""Files of secrets, as tests need them."""

import base64
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher

CHEAP = PasswordHasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)
RIGHT = "crunchy armchair of 1987"
WRITE_READ = "unenroll:write,unenroll:read"


@cache
def hashed(secret: str) -> str:
    """The cheapest hash that is taken."""
    return CHEAP.hash(secret)


def line(name: str, secret: str = RIGHT, scopes: str = WRITE_READ) -> str:
    """A line of the file."""
    return f"{name} {scopes} {hashed(secret)}"


def write(path: Path, *lines: str, mode: int = 0o600) -> Path:
    """The file with these lines, put in place at once, as an operator should."""
    beside = path.with_name(path.name + ".new")
    beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    beside.chmod(mode)
    return beside.rename(path)


def basic(name: str, secret: str = RIGHT) -> str:
    """What stands behind `Basic `."""
    return base64.b64encode(f"{name}:{secret}".encode()).decode()
