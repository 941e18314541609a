"""Where the embedded servers keep what they need."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from unenroll.errors import UsageError
from unenroll.sandbox.patience import Say


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A folder for data and one for downloads. `passing`: the data go when the servers end."""

    data: Path
    cache: Path
    passing: bool
    say: Say


@contextmanager
def place(data: Path | None, *, cache: Path, say: Say) -> Iterator[Place]:
    """A place for data: the folder named, which is kept, or else a temporary one, which is removed.

    Raises UsageError if the folder cannot be had.
    """
    if data is not None:
        yield Place(data=make_folder(data).resolve(), cache=cache, passing=False, say=say)
        return
    folder = Path(mkdtemp(prefix="unenroll-")).resolve()
    folder.chmod(0o711)  # as root, Postgres runs as somebody else who must get to its own folder in there
    try:
        yield Place(data=folder, cache=cache, passing=True, say=say)
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
