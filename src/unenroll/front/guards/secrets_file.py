"""Parsing of the clients file: a line `NAME SCOPE,SCOPE HASH` for each caller and secret."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from unenroll.errors import SetupError
from unenroll.front.guards.caller import ApiScope, Caller, scopes_among
from unenroll.front.guards.hashing import flaw_of_hash, is_name

_LARGEST = 1 << 20
_WORDS = 3
_AT_A_NAME = 2  # the old and the new secret during a change; each line costs another argon2 check
_FOR_OTHERS = stat.S_IRWXO | stat.S_IWGRP


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """One line: a caller and the hash of a secret."""

    caller: Caller
    hashed: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clients:
    """All lines by name, at least one."""

    by_name: Mapping[str, tuple[Client, ...]]

    def lines_of(self, name: str, salt: bytes) -> tuple[Client, ...]:
        """The lines of this name. For an unknown name, those of another name: checking them takes the same time.

        An unknown name always gets the same other name, so repeated calls do not reveal it either.
        """
        known = self.by_name.get(name)
        if known is not None:
            return known
        number = int.from_bytes(blake2b(name.encode(), key=salt, digest_size=8).digest())
        return list(self.by_name.values())[number % len(self.by_name)]


def read_clients(path: Path) -> tuple[Clients, os.stat_result]:
    """The clients in the file, and the file's status. Raises SetupError if the file is unusable."""
    try:
        # O_NONBLOCK: opening a named pipe would block until somebody writes to it.
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            state = os.fstat(number)
            _check_rights(path, state)
            with open(number, "rb", closefd=False) as file:
                raw = file.read(_LARGEST + 1)
        finally:
            os.close(number)
    except OSError as error:
        raise SetupError(f"the clients file {path} cannot be read: {error.strerror}") from None
    return _parsed(path, raw), state


def _check_rights(path: Path, state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise SetupError(f"the clients file {path} is not a regular file")
    if state.st_mode & _FOR_OTHERS:
        mode = stat.S_IMODE(state.st_mode)
        raise SetupError(f"the clients file {path} is accessible to others (mode {mode:04o}): chmod 600 {path}")


def _parsed(path: Path, raw: bytes) -> Clients:
    if len(raw) > _LARGEST:
        raise SetupError(f"the clients file {path} is larger than 1 MiB")
    try:
        lines = raw.decode().splitlines()
    except UnicodeDecodeError:
        raise SetupError(f"the clients file {path} is not UTF-8") from None
    by_name: dict[str, tuple[Client, ...]] = {}
    for number, client in _clients(path, lines):
        so_far = by_name.get(client.caller.name, ())
        if len(so_far) == _AT_A_NAME:
            raise SetupError(f"the clients file {path}, line {number}: more than {_AT_A_NAME} lines with this name")
        by_name[client.caller.name] = (*so_far, client)
    if not by_name:
        raise SetupError(f"the clients file {path} has no lines: make one with unenroll api-secret NAME")
    return Clients(by_name=by_name)


def _clients(path: Path, lines: list[str]) -> Iterator[tuple[int, Client]]:
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        flaw = _flaw(words)
        if flaw is not None:
            raise SetupError(f"the clients file {path}, line {number}: {flaw}")
        name, scopes, hashed = words
        yield number, Client(caller=Caller(name=name, scopes=scopes_among(scopes.split(","))), hashed=hashed)


def _flaw(words: list[str]) -> str | None:
    """What is wrong with a line, or None. The text quotes nothing: the line may contain a secret by mistake."""
    if len(words) != _WORDS:
        return f"expected a name, scopes and a hash; found {len(words)} words"
    name, scopes, hashed = words
    if not is_name(name):
        return "a name must be 1 to 64 letters, digits, dots, underscores or hyphens"
    if not set(scopes.split(",")) <= set(ApiScope):
        return f"scopes must be among {', '.join(ApiScope)}, separated by commas without spaces"
    return flaw_of_hash(hashed)
