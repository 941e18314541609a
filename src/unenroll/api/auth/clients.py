"""Callers and their scopes."""

import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import structlog
from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION, verify_secret

from unenroll.api.auth.scopes import ApiScope
from unenroll.errors import SetupError


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """An authenticated caller. The name has no spaces and no slashes; the name from a token has a colon."""

    name: str
    scopes: frozenset[ApiScope]


def scopes_among(words: list[str]) -> frozenset[ApiScope]:
    """The scopes among these words. Others belong to other programs."""
    return frozenset(scope for scope in ApiScope if scope in words)


SHORTEST = 12
LONGEST = 256
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LEAST_KIB = 19 * 1024
_MOST_KIB = 256 * 1024
_MOST_WORK_KIB = 1024 * 1024  # memory times passes: a check takes about a second
_MOST_LANES = 8


def is_name(text: str) -> bool:
    """Whether the text is a valid name of a caller."""
    return _NAME.fullmatch(text) is not None


def is_secret(text: str) -> bool:
    """Whether the text is acceptable as a new secret."""
    return SHORTEST <= len(text) <= LONGEST and text.isprintable()


def hash_of(secret: str) -> str:
    """Hash a secret with a random salt."""
    return PasswordHasher().hash(_bytes(secret))


def matches(hashed: str, secret: str) -> bool:
    """Whether the secret has this hash. Slow by design; it releases the GIL."""
    try:
        return verify_secret(hashed.encode(), _bytes(secret), Type.ID)
    except VerificationError:
        return False


def flaw_of_hash(hashed: str) -> str | None:
    """What is wrong with a hash, or None. The text contains nothing of the hash."""
    try:
        found = extract_parameters(hashed)
    except InvalidHashError:
        return "the hash is not an argon2 hash: make one with unenroll api-secret NAME"
    if found.type is not Type.ID or found.version != ARGON2_VERSION:
        return "the hash is not argon2id, version 19"
    if found.memory_cost < _LEAST_KIB or found.time_cost * found.memory_cost < 2 * _LEAST_KIB:
        return "the hash is too weak: use at least 19 MiB and 2 passes"
    if found.memory_cost > _MOST_KIB or found.time_cost * found.memory_cost > _MOST_WORK_KIB:
        return "the hash is too expensive: use at most 256 MiB, and 1 GiB in all passes"
    if found.parallelism > _MOST_LANES:
        return f"the hash has more than {_MOST_LANES} lanes"
    return None


def _bytes(secret: str) -> bytes:
    return unicodedata.normalize("NFC", secret).encode()


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


log = structlog.get_logger()

_State = tuple[int, int, int, int, int]


class ClientsFile:
    """The clients in the file. Raises SetupError if the file is unusable at the start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failure: str | None = None
        self._clients, state = read_clients(path)
        self._state: _State | None = _signature(state)

    def now(self) -> Clients:
        """The current clients: the same object until the file has others.

        Raises SetupError while the file is unusable: clients that it had before may have been removed.
        """
        if self._state is None or self._state != self._seen():
            self._read()
        return self._clients

    def _read(self) -> None:
        try:
            clients, state = read_clients(self._path)
        except SetupError as error:
            self._state = None
            if str(error) != self._failure:
                self._failure = str(error)
                log.error("clients_file_unreadable", why=str(error))  # noqa: TRY400 - the message says all
            raise
        self._failure = None
        self._state = _signature(state)
        if clients != self._clients:
            self._clients = clients
            log.info("clients_file_reloaded", names=len(clients.by_name))

    def _seen(self) -> _State | None:
        try:
            return _signature(self._path.stat())
        except OSError:
            return None


def _signature(state: os.stat_result) -> _State:
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
