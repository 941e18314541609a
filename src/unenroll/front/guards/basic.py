"""A name and a secret: argon2 in threads of its own, and a short memory of what it said."""

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

from unenroll.front.guards.caller import Caller
from unenroll.front.guards.clients_file import ClientsFile
from unenroll.front.guards.hashing import LONGEST, matches
from unenroll.front.guards.refusals import later
from unenroll.front.guards.secrets_file import Client, Clients

_AT_ONCE = 2  # each takes as much memory as its hash says
_WAITING = 64
_REMEMBERED = 10_000
_REMEMBERED_SECONDS = 60.0
_SALT_BYTES = 32
_NICENESS = 15


class Basic:
    """Callers by name and secret. What was right is remembered by a keyed hash until it is unused for a minute."""

    def __init__(self, file: ClientsFile, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._salt = secrets.token_bytes(_SALT_BYTES)
        self._clients = file.now()
        self._right: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Task[Caller | None]] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2", initializer=_step_back)

    def remembered(self, credentials: str) -> Caller | None:
        """Who had these credentials a moment ago, without asking argon2. Raises SetupError: the file is unusable."""
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
        """Who has these credentials, None if nobody. Raises SetupError, and Refused if too many ask at once."""
        clients = self._follow_file()
        said = _said(credentials)
        if said is None:
            return None
        # The same credentials that are checked right now are not checked once more.
        key = self._key(credentials)
        task = self._under_way.get(key)
        if task is None:
            if len(self._under_way) >= _WAITING:
                raise later(HTTPStatus.SERVICE_UNAVAILABLE, "too many secrets are checked at once", seconds=2)
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
        # A stand-in took the time that the name would have taken: its answer is none for this name. And the file may
        # have changed meanwhile.
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
    """Checks take whole cores: calls of those who are known already go first."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _first(lines: tuple[Client, ...], secret: str) -> Client | None:
    return next((line for line in lines if matches(line.hashed, secret)), None)


def _said(credentials: str) -> tuple[str, str] | None:
    """The name and the secret as RFC 7617 has them, None if they cannot be any."""
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    name, colon, secret = text.partition(":")
    if not colon or not secret or len(secret) > LONGEST or not text.isprintable():
        return None
    return name, secret
