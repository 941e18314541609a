"""The addresses of the embedded servers, as a block of lines in a file that may hold other lines."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

from unenroll.errors import UsageError

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
