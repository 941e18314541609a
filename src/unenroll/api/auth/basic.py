"""Basic authentication: argon2 in its own threads, and a short cache of its results."""

import asyncio
import base64
import binascii
import hmac
import os
import secrets
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from unenroll.api.auth.clients import LONGEST, Caller, Client, Clients, ClientsFile, matches
from unenroll.api.errors import retry_after

_AT_ONCE = 2  # each check needs as much memory as its hash says
_WAITING = 64
_REMEMBERED = 10_000
_REMEMBERED_SECONDS = 60.0
_SALT_BYTES = 32
_NICENESS = 15


class BasicAuthentication:
    """Callers by name and secret. A keyed hash of valid credentials is cached until it is unused for a minute."""

    def __init__(self, file: ClientsFile, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._salt = secrets.token_bytes(_SALT_BYTES)
        self._clients = file.now()
        self._right: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Task[Caller | None]] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2", initializer=_step_back)

    def remembered(self, credentials: str) -> Caller | None:
        """The caller with these credentials, from the cache. Raises SetupError if the file is unusable."""
        self._follow_file()
        key = self._key(credentials)
        caller, until = self._right.get(key, (None, 0.0))
        if caller is None or self._clock() > until:
            self._right.pop(key, None)
            return None
        self._remember(key, caller)
        return caller

    def checks(self, credentials: str) -> bool:
        """Whether these credentials are being checked right now."""
        return self._key(credentials) in self._under_way

    async def caller(self, credentials: str) -> Caller | None:
        """The caller with these credentials, or None. Raises SetupError, and Refused during too many checks."""
        clients = self._follow_file()
        said = _said(credentials)
        if said is None:
            return None
        # If these credentials are being checked, wait for that check.
        key = self._key(credentials)
        task = self._under_way.get(key)
        if task is None:
            if len(self._under_way) >= _WAITING:
                raise retry_after(HTTPStatus.SERVICE_UNAVAILABLE, "too many secrets are being checked", seconds=2)
            task = asyncio.create_task(self._check(key, said, clients))
            self._under_way[key] = task
        return await asyncio.shield(task)

    async def _check(self, key: bytes, said: tuple[str, str], clients: Clients) -> Caller | None:
        name, secret = said
        try:
            lines = clients.lines_of(name, self._salt)
            found = await asyncio.get_running_loop().run_in_executor(self._threads, _first, lines, secret)
        finally:
            del self._under_way[key]
        # For an unknown name the lines of another name were checked, to take the same time: they prove nothing.
        # The file may also have changed meanwhile.
        if found is None or found not in self._follow_file().by_name.get(name, ()):
            return None
        self._remember(key, found.caller)
        return found.caller

    def _follow_file(self) -> Clients:
        clients = self._file.now()
        if clients is not self._clients:
            self._clients = clients
            self._right.clear()
        return clients

    def _remember(self, key: bytes, caller: Caller) -> None:
        self._right[key] = (caller, self._clock() + _REMEMBERED_SECONDS)
        self._right.move_to_end(key)
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)

    def _key(self, credentials: str) -> bytes:
        return hmac.digest(self._salt, credentials.encode(), "sha256")


def _step_back() -> None:
    """Lower the thread's priority: a check takes a whole core, and calls of known callers go first."""
    if sys.platform == "linux":  # elsewhere this sets the priority of the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _first(lines: tuple[Client, ...], secret: str) -> Client | None:
    return next((line for line in lines if matches(line.hashed, secret)), None)


def _said(credentials: str) -> tuple[str, str] | None:
    """Name and secret (RFC 7617). None if malformed."""
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    name, colon, secret = text.partition(":")
    if not colon or not secret or len(secret) > LONGEST or not text.isprintable():
        return None
    return name, secret
