"""Write and read the file of a plan: a header line, then a line for each request.

The header is `{"sha256": ..., "plan": {...}}`. The hash covers all other lines, then the text of `plan`.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import IO

import msgspec

from unenroll.errors import UnenrollError, UsageError
from unenroll.ops.plan.totals import PlanTotals

FORMAT = "unenroll plan 1"

_MAX_HEADER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The header of a plan. `definitions` has the version of each group at planning time, None if it was undefined."""

    format: str
    database: str
    created_at: datetime
    requests: int
    definitions: Mapping[int, int | None]
    totals: PlanTotals


@dataclass(frozen=True, slots=True)
class _Header:
    sha256: str
    plan: msgspec.Raw


_JSON = msgspec.json.Encoder().encode
_HEADER = msgspec.json.Decoder(_Header)
_PLAN = msgspec.json.Decoder(Plan)


class PlanDraft:
    """The requests of a new plan, in a temporary file until the plan is saved."""

    def __init__(self, path: Path, body: IO[bytes]) -> None:
        self._path = path
        self._body = body
        self._hash = hashlib.sha256()

    def add(self, line: bytes) -> None:
        """Add the line of a request."""
        self._body.write(line)
        self._hash.update(line)

    def save(self, plan: Plan) -> str:
        """Write the complete file, atomically. Returns its hash."""
        text = _JSON(plan)
        self._hash.update(text)
        sha256 = self._hash.hexdigest()
        with NamedTemporaryFile(dir=self._path.parent, prefix=f".{self._path.name}.", delete=False) as file:
            try:
                file.write(_JSON(_Header(sha256, msgspec.Raw(text))) + b"\n")
                self._body.seek(0)
                shutil.copyfileobj(self._body, file)
                file.flush()
                Path(file.name).replace(self._path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        return sha256


@contextmanager
def plan_draft(path: Path) -> Iterator[PlanDraft]:
    """A draft of a plan for this file. Raises UsageError if the file exists or cannot be written."""
    if path.exists():
        raise UsageError(f"{path} exists already; name another file with --out")
    with _temporary_file(path) as body:
        try:
            yield PlanDraft(path, body)
        except OSError as error:
            raise UnenrollError(f"cannot write {path}: {error.strerror}") from error


def _temporary_file(path: Path) -> IO[bytes]:
    """A file without a name in the same folder."""
    try:
        return TemporaryFile(dir=path.parent)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanFile:
    """A plan file whose hash matches its contents."""

    path: Path
    sha256: str
    plan: Plan

    def lines(self) -> Iterator[bytes]:
        """The lines of its requests, in order."""
        with self.path.open("rb") as file:
            file.readline()
            yield from file


def read_plan(path: Path) -> PlanFile:
    """The plan in the file. Raises UnenrollError if the file is not a plan, or was changed."""
    try:
        with path.open("rb") as file:
            header, plan = _read_header(path, file.readline(_MAX_HEADER_BYTES))
            sha256, requests = hashlib.sha256(), 0
            for line in file:
                sha256.update(line)
                requests += 1
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    sha256.update(header.plan)
    if requests < plan.requests:
        raise UnenrollError(f"{path} is truncated: it has {requests} of {plan.requests} requests; plan again")
    if sha256.hexdigest() != header.sha256:
        raise UnenrollError(f"{path} was changed: its hash does not match its contents; plan again")
    return PlanFile(path=path, sha256=header.sha256, plan=plan)


def _read_header(path: Path, line: bytes) -> tuple[_Header, Plan]:
    try:
        header = _HEADER.decode(line)
        plan = _PLAN.decode(header.plan)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise UnenrollError(f"{path} is not a plan that `unenroll plan` wrote") from None
    if plan.format != FORMAT:
        raise UnenrollError(f"{path} has format {plan.format!r}, but this version reads {FORMAT!r}; plan again")
    return header, plan
