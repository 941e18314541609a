"""Who used the processor, from the process table: the Pythons, Postgres with all its backends, the broker."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True, slots=True)
class Used:
    """Seconds of a processor."""

    python: float
    postgres: float
    broker: float

    def __sub__(self, earlier: "Used") -> "Used":
        """What was used since."""
        return Used(
            python=self.python - earlier.python,
            postgres=self.postgres - earlier.postgres,
            broker=self.broker - earlier.broker,
        )


def used(workers: Iterable[int]) -> Used:
    """What the processes with these ids, and the servers that descend from this process, have used up to now.

    The servers' own children count too, also those that have ended.
    """
    servers = _servers()
    return Used(
        python=sum(_seconds(pid) for pid in workers),
        postgres=_of_tree(servers["postgres"]),
        broker=_of_tree(servers["java"]),
    )


def peak_megabytes(pid: int) -> float:
    """The most memory that the process has had resident up to now."""
    for line in (_PROC / str(pid) / "status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _servers() -> dict[str, int]:
    """The topmost process of each server. Its children may have smaller ids."""
    parents = _parents()
    return {
        name: pid
        for pid in descendants(os.getpid())
        if (name := _name(pid)) in {"postgres", "java"} and _name(parents[pid]) != name
    }


def _name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _of_tree(root: int) -> float:
    return _seconds(root) + sum(_seconds(pid) for pid in descendants(root))


def descendants(root: int) -> set[int]:
    """The ids of the processes that descend from this one."""
    parents = _parents()
    found: set[int] = set()
    latest = {root}
    while latest:
        latest = {pid for pid, parent in parents.items() if parent in latest}
        found |= latest
    return found


def _parents() -> dict[int, int]:
    parents = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            parents[int(folder.name)] = int(fields[1])
    return parents


def _seconds(pid: int) -> float:
    """Of the process itself, and of its children that have ended and were waited for."""
    fields = _stat(pid)
    return sum(int(ticks) for ticks in fields[11:15]) / _TICKS if fields else 0.0


def _stat(pid: int) -> list[str]:
    """The fields of the process behind its name, none if it is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
