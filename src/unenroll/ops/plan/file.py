"""The file of a plan: a first line that says what it is, then a line for each request.

The first line is `{"sha256": ..., "plan": {...}}`. The hash is of all lines behind it, then of the text of its `plan`.
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

_LONGEST_FIRST_LINE = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What the first line says. `definitions` has the version of each group as it was seen, None: nobody defined it."""

    format: str
    database: str
    created_at: datetime
    requests: int
    definitions: Mapping[int, int | None]
    totals: PlanTotals


@dataclass(frozen=True, slots=True)
class _First:
    sha256: str
    plan: msgspec.Raw


_JSON = msgspec.json.Encoder().encode
_FIRST = msgspec.json.Decoder(_First)
_PLAN = msgspec.json.Decoder(Plan)


class PlanDraft:
    """The requests of a plan that is being made, where its file will be."""

    def __init__(self, path: Path, body: IO[bytes]) -> None:
        self._path = path
        self._body = body
        self._hash = hashlib.sha256()

    def add(self, line: bytes) -> None:
        """One request more."""
        self._body.write(line)
        self._hash.update(line)

    def keep(self, plan: Plan) -> str:
        """Make the file: at once, and in full. Returns its hash."""
        text = _JSON(plan)
        self._hash.update(text)
        sha256 = self._hash.hexdigest()
        with NamedTemporaryFile(dir=self._path.parent, prefix=f".{self._path.name}.", delete=False) as file:
            try:
                file.write(_JSON(_First(sha256, msgspec.Raw(text))) + b"\n")
                self._body.seek(0)
                shutil.copyfileobj(self._body, file)
                file.flush()
                Path(file.name).replace(self._path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        return sha256


@contextmanager
def draft(path: Path) -> Iterator[PlanDraft]:
    """A draft of the plan that is to be this file. Raises UsageError if it cannot be, or is there already."""
    if path.exists():
        raise UsageError(f"there is a file {path} already; name another one with --out")
    with _beside(path) as body:
        try:
            yield PlanDraft(path, body)
        except OSError as error:
            raise UnenrollError(f"cannot write {path}: {error.strerror}") from error


def _beside(path: Path) -> IO[bytes]:
    """A file without a name, on the same disk."""
    try:
        return TemporaryFile(dir=path.parent)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanFile:
    """A plan that is as it was made."""

    path: Path
    sha256: str
    plan: Plan

    def lines(self) -> Iterator[bytes]:
        """Its requests in order."""
        with self.path.open("rb") as file:
            file.readline()
            yield from file


def read_plan(path: Path) -> PlanFile:
    """The plan in the file. Raises UnenrollError if it holds none, or another one than was made."""
    try:
        with path.open("rb") as file:
            first, plan = _opened(path, file.readline(_LONGEST_FIRST_LINE))
            sha256, requests = hashlib.sha256(), 0
            for line in file:
                sha256.update(line)
                requests += 1
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    sha256.update(first.plan)
    if requests < plan.requests:
        raise UnenrollError(f"{path} is cut off: it has {requests} of {plan.requests} requests; plan again")
    if sha256.hexdigest() != first.sha256:
        raise UnenrollError(f"{path} is not as it was made: its contents do not have the hash it names; plan again")
    return PlanFile(path=path, sha256=first.sha256, plan=plan)


def _opened(path: Path, line: bytes) -> tuple[_First, Plan]:
    try:
        first = _FIRST.decode(line)
        plan = _PLAN.decode(first.plan)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise UnenrollError(f"{path} is no plan that `unenroll plan` has made") from None
    if plan.format != FORMAT:
        raise UnenrollError(f"{path} is of format {plan.format!r}, and this program knows {FORMAT!r}; plan again")
    return first, plan
