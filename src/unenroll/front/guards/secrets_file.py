"""The file of those who come with a name and a secret: `NAME SCOPE,SCOPE HASH` a line."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from unenroll.errors import SetupError
from unenroll.front.guards.caller import Caller, Scope, scopes_among
from unenroll.front.guards.hashing import flaw_of_hash, is_name

_LARGEST = 1 << 20
_WORDS = 3
_AT_A_NAME = 2  # the old secret and the new one, while they are changed: each line more makes every guess dearer
_FOR_OTHERS = stat.S_IRWXO | stat.S_IWGRP


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """One line: who has this secret."""

    caller: Caller
    hashed: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clients:
    """All lines, by name. There is one at least."""

    by_name: Mapping[str, tuple[Client, ...]]

    def lines_of(self, name: str, salt: bytes) -> tuple[Client, ...]:
        """The lines of this name, or those of another one to spend the same time with.

        A name that is unknown always gets the same stand-in, so it looks like a known one, also over many tries.
        """
        known = self.by_name.get(name)
        if known is not None:
            return known
        number = int.from_bytes(blake2b(name.encode(), key=salt, digest_size=8).digest())
        return list(self.by_name.values())[number % len(self.by_name)]


def read_clients(path: Path) -> tuple[Clients, os.stat_result]:
    """What the file says, and which state of it said so. Raises SetupError if it cannot be trusted to say anything."""
    try:
        # A pipe in place of the file would hold everything up until somebody writes to it.
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            state = os.fstat(number)
            _check_rights(path, state)
            with open(number, "rb", closefd=False) as file:
                raw = file.read(_LARGEST + 1)
        finally:
            os.close(number)
    except OSError as error:
        raise SetupError(f"the file of secrets {path} cannot be read: {error.strerror}") from None
    return _parsed(path, raw), state


def _check_rights(path: Path, state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise SetupError(f"the file of secrets {path} is not a file")
    if state.st_mode & _FOR_OTHERS:
        mode = stat.S_IMODE(state.st_mode)
        raise SetupError(f"the file of secrets {path} is open to others (mode {mode:04o}): chmod 600 {path}")


def _parsed(path: Path, raw: bytes) -> Clients:
    if len(raw) > _LARGEST:
        raise SetupError(f"the file of secrets {path} is larger than 1 MiB")
    try:
        lines = raw.decode().splitlines()
    except UnicodeDecodeError:
        raise SetupError(f"the file of secrets {path} is not UTF-8") from None
    by_name: dict[str, tuple[Client, ...]] = {}
    for number, client in _clients(path, lines):
        so_far = by_name.get(client.caller.name, ())
        if len(so_far) == _AT_A_NAME:
            raise SetupError(f"the file of secrets {path}, line {number}: more than {_AT_A_NAME} lines of one name")
        by_name[client.caller.name] = (*so_far, client)
    if not by_name:
        raise SetupError(f"the file of secrets {path} has no line: unenroll api-secret NAME makes one")
    return Clients(by_name=by_name)


def _clients(path: Path, lines: list[str]) -> Iterator[tuple[int, Client]]:
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        flaw = _flaw(words)
        if flaw is not None:
            raise SetupError(f"the file of secrets {path}, line {number}: {flaw}")
        name, scopes, hashed = words
        yield number, Client(caller=Caller(name=name, scopes=scopes_among(scopes.split(","))), hashed=hashed)


def _flaw(words: list[str]) -> str | None:
    """What is wrong with a line, without a word of it: it may hold a secret that is out of place."""
    if len(words) != _WORDS:
        return f"{len(words)} words in place of a name, scopes and a hash"
    name, scopes, hashed = words
    if not is_name(name):
        return "a name is 1 to 64 letters, digits, dots, underscores and hyphens"
    if not set(scopes.split(",")) <= set(Scope):
        return f"the scopes are {', '.join(Scope)}, with commas and without spaces"
    return flaw_of_hash(hashed)
