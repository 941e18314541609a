"""NDJSON lines and files of them, and the real command that reads them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import asyncpg

from support.events import ABC
from support.workers import run_with_input
from unenroll.ops.files import lines
from unenroll.ops.load.load import LoadResult, load
from unenroll.ops.progress import bad_lines

CYCLES: list[Any] = cast("list[Any]", ABC["cycles"])

XYZ: dict[str, Any] = {
    "targetGroupId": 12,
    "name": "Daily",
    "version": 1,
    "active": True,
    "timeZone": "UTC",
    "cycles": [
        {"periodName": f"d{day}", "start": f"2026-01-{day:02}T00:00:00Z", "end": f"2026-01-{day + 1:02}T00:00:00Z"}
        for day in range(1, 31)
    ],
    "targets": [{"targetId": 22, "name": "Streak XYZ", "kind": "STREAK", "levels": [4, 8, 12]}],
}


def appended_definition(version: int, name: str = "c6") -> dict[str, Any]:
    """Milestone ABC's group with one cycle more."""
    more = {"periodName": name, "start": "2026-06-01T00:00:00Z", "end": "2026-07-01T00:00:00Z"}
    return {**ABC, "version": version, "cycles": [*CYCLES, more]}


def event_line(name: str, event_id: str, *, time: str = "2026-01-01T00:00:00Z", **data: Any) -> str:  # noqa: ANN401
    """A line for `publish`, of customer 423789336 unless it says otherwise."""
    full = {"customerId": 423789336, **data}
    return json.dumps({"type": name, "source": "/crm", "id": event_id, "time": time, "data": full})


def leave_line(customer: int, *, at: str = "2026-03-15T00:00:00Z", **more: Any) -> str:  # noqa: ANN401
    """A line for `publish`: the customer wants to leave milestone ABC."""
    data = {"customerId": customer, "targetGroupId": 11, "targetId": 21, **more}
    return event_line("UnenrollRequested", f"leave-{customer}", time=at, **data)


@dataclass(frozen=True, kw_only=True)
class File:
    """A file to load, and the file for its bad lines."""

    path: Path
    rejects: Path

    async def load(self, database_url: str) -> LoadResult:
        """Load it in this process."""
        with bad_lines([self.path], self.rejects) as bad:
            return await load(lines([self.path], lambda _: None), database_url, bad=bad)

    def rejected(self) -> list[bytes]:
        """The bad lines, as written to the file."""
        return self.rejects.read_bytes().splitlines()


def write_file(folder: Path, content: Sequence[str | bytes], name: str = "facts.ndjson") -> File:
    """A file of these lines."""
    path = folder / name
    path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in content))
    return File(path=path, rejects=folder / "rejects.ndjson")


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


def command(*arguments: str, environment: Mapping[str, str], stdin: bytes = b"") -> CommandResult:
    """Run the real command in a process of its own, without a terminal."""
    code, out, err = run_with_input(*arguments, environment=environment, stdin=stdin)
    return CommandResult(code=code, out=out.decode(), err=err.decode())


async def tables(database_url: str) -> dict[str, list[str]]:
    """All rows of all tables and views, as text."""
    connection = await asyncpg.connect(database_url)
    try:
        names = await connection.fetch(
            "select table_name from information_schema.tables where table_schema = 'public' order by 1"
        )
        return {
            name: sorted(row[0] for row in await connection.fetch(f"select t::text from {name} as t"))  # noqa: S608
            for (name,) in names
        }
    finally:
        await connection.close()
