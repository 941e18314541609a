"""The clients file, read again whenever it changes."""

import os
from pathlib import Path

import structlog

from unenroll.errors import SetupError
from unenroll.front.guards.secrets_file import Clients, read_clients

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
