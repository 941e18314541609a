"""The jars of the lock in the cache: downloaded once, verified at every start."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import file_digest
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from unenroll.sandbox.environment import extra, make_folder
from unenroll.sandbox.process import ChecksumError, SandboxError, Say, show_progress, start_together


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


def locked_jars() -> tuple[Jar, ...]:
    """All jars of the committed lock, in the order of the class path."""
    lines = files("unenroll.sandbox").joinpath("kafka.lock").read_text(encoding="utf-8").splitlines()
    entries = (line.split() for line in lines if line and not line.startswith("#"))
    return tuple(Jar(coordinate=coordinate, sha256=digest) for coordinate, digest in entries)


def write_lock(jars: Iterable[Jar]) -> str:
    """The text of a lock file: a line a jar, sorted."""
    lines = sorted(f"{jar.coordinate} {jar.sha256}" for jar in jars)
    return "\n".join(["# Written by python -m unenroll.sandbox.jars", *lines, ""])


DOWNLOADS_AT_ONCE = 6
ATTEMPTS = 3
ANSWER_SECONDS = 60


async def cached_jar(wanted: tuple[Jar, ...], cache: Path, *, say: Say) -> list[Path]:
    """Where the wanted jars lie in the cache, each verified. The network is touched only for those not yet there.

    Raises ChecksumError for a jar that is not the locked one, SandboxError for one that cannot be had.
    """
    folder = cache / "jars"
    missing = [jar for jar in wanted if not (folder / jar.file).exists()]
    if missing:
        make_folder(folder)
        await _fetch_all(missing, folder, say=say)
    return await asyncio.to_thread(_verified, wanted, folder)


def _verified(wanted: tuple[Jar, ...], folder: Path) -> list[Path]:
    paths = [folder / jar.file for jar in wanted]
    for jar, path in zip(wanted, paths, strict=True):
        jar.check(path, advice=f"delete {path} to have it downloaded again")
    return paths


async def _fetch_all(missing: list[Jar], folder: Path, *, say: Say) -> None:
    maven = extra("jgo.maven")
    places = asyncio.Semaphore(DOWNLOADS_AT_ONCE)
    done: list[Jar] = []

    async def fetch(jar: Jar) -> None:
        async with places:
            await asyncio.to_thread(_fetch, maven, jar, folder=folder)
        done.append(jar)

    async with show_progress(say, lambda: f"downloading Kafka: {len(done)} of {len(missing)} jars"):
        await start_together(fetch(jar) for jar in missing)


def _fetch(maven: ModuleType, jar: Jar, *, folder: Path) -> None:
    # Only what was verified is moved to its place: whoever is stopped halfway leaves no half file there.
    with TemporaryDirectory(dir=folder, prefix=".fetching-") as staging:
        found = _download(maven, jar, staging=Path(staging))
        jar.check(found, advice="it was downloaded and thrown away")
        found.replace(folder / jar.file)


def _download(maven: ModuleType, jar: Jar, *, staging: Path) -> Path:
    for attempt in range(ATTEMPTS):
        time.sleep(attempt)
        context = maven.MavenContext(repo_cache=staging / str(attempt), local_repos=[], timeout=ANSWER_SECONDS)
        try:
            return Path(context.create_dependency(jar.coordinate).artifact.resolve())
        except Exception as error:  # noqa: BLE001 - jgo and what it stands on raise errors of every kind
            failure = error
    raise SandboxError(f"{jar.coordinate} could not be downloaded, is the network there? {failure}") from failure


# Kafka names no logger of its own; without one it would keep its reasons for failing to itself.
ROOTS = ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-simple:1.7.36")


def resolve(folder: Path) -> list[Jar]:
    """The jars of ROOTS and of all that they need at run time, downloaded into `folder`."""
    context = extra("jgo.maven").MavenContext(repo_cache=folder, timeout=60)
    direct, transitive = context.resolver.resolve([context.create_dependency(root) for root in ROOTS])
    return [
        Jar(coordinate=f"{need.groupId}:{need.artifactId}:{need.version}", sha256=sha256(need.artifact.resolve()))
        for need in [*direct, *transitive]
    ]


def main() -> None:
    """Resolves and writes."""
    with TemporaryDirectory() as folder, as_file(files("unenroll.sandbox").joinpath("kafka.lock")) as lock:
        lock.write_text(write_lock(resolve(Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
