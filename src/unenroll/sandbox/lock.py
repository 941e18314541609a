"""The jars that make up the embedded Kafka, each with its SHA-256: `kafka.lock`."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import file_digest
from importlib.resources import files
from pathlib import Path

from unenroll.sandbox.errors import ChecksumError


@dataclass(frozen=True, kw_only=True, slots=True)
class Jar:
    """A jar by its coordinate, `group:artifact:version`, and the SHA-256 of its bytes in hexadecimal."""

    coordinate: str
    sha256: str

    @property
    def file(self) -> str:
        """The name under which it is kept."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"

    def check(self, path: Path, *, advice: str) -> None:
        """Raises ChecksumError, ending in the advice, unless the file at `path` is this jar."""
        found = sha256(path)
        if found != self.sha256:
            raise ChecksumError(
                f"{path.name} is not {self.coordinate} as locked: its SHA-256 is {found},"
                f" expected {self.sha256}; {advice}"
            )


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def locked() -> tuple[Jar, ...]:
    """All jars of the committed lock, in the order of the class path."""
    lines = files("unenroll.sandbox").joinpath("kafka.lock").read_text(encoding="utf-8").splitlines()
    entries = (line.split() for line in lines if line and not line.startswith("#"))
    return tuple(Jar(coordinate=coordinate, sha256=digest) for coordinate, digest in entries)


def written(jars: Iterable[Jar]) -> str:
    """The text of a lock file: a line a jar, sorted."""
    lines = sorted(f"{jar.coordinate} {jar.sha256}" for jar in jars)
    return "\n".join(["# Written by python -m unenroll.sandbox.relock", *lines, ""])
