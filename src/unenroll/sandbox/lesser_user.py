"""What it takes to run a program that refuses to run as root, when we are root."""

import os
import pwd
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from unenroll.sandbox.errors import SandboxError

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
