"""The jars of Kafka: kafka.lock names them, and the cache holds them, verified at every start."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import file_digest
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from unenroll.sandbox.environment import import_extra, make_folder
from unenroll.sandbox.process import ChecksumError, SandboxError, Say, run_together, show_progress

# Kafka brings no backend for its logger; without one it would not log why it fails.
ROOTS = ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-simple:1.7.36")

PARALLEL_DOWNLOADS = 6
ATTEMPTS = 3
DOWNLOAD_SECONDS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Jar:
    """A jar by its coordinate, `group:artifact:version`, and the SHA-256 of its bytes in hexadecimal."""

    coordinate: str
    sha256: str

    @property
    def file(self) -> str:
        """The name of its file in the cache."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"

    def check(self, path: Path, *, advice: str) -> None:
        """Raise ChecksumError, ending in the advice, unless the file at `path` is this jar."""
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
    """All jars of kafka.lock, in the order of the class path."""
    lines = files("unenroll.sandbox").joinpath("kafka.lock").read_text(encoding="utf-8").splitlines()
    entries = (line.split() for line in lines if line and not line.startswith("#"))
    return tuple(Jar(coordinate=coordinate, sha256=digest) for coordinate, digest in entries)


async def cached_jars(jars: tuple[Jar, ...], cache: Path, *, say: Say) -> list[Path]:
    """The paths of the jars in the cache, each verified. Downloads those that are missing.

    Raises ChecksumError for a jar that is not the locked one, and SandboxError if a download fails.
    """
    folder = cache / "jars"
    missing = [jar for jar in jars if not (folder / jar.file).exists()]
    if missing:
        make_folder(folder)
        await _download_all(missing, folder, say=say)
    return await asyncio.to_thread(_verify, jars, folder)


def _verify(jars: tuple[Jar, ...], folder: Path) -> list[Path]:
    paths = [folder / jar.file for jar in jars]
    for jar, path in zip(jars, paths, strict=True):
        jar.check(path, advice=f"delete {path}, and the next start downloads it again")
    return paths


async def _download_all(missing: list[Jar], folder: Path, *, say: Say) -> None:
    maven = import_extra("jgo.maven")
    slots = asyncio.Semaphore(PARALLEL_DOWNLOADS)
    done: list[Jar] = []

    async def download(jar: Jar) -> None:
        async with slots:
            await asyncio.to_thread(_add_to_cache, maven, jar, folder=folder)
        done.append(jar)

    async with show_progress(say, lambda: f"downloading Kafka: {len(done)} of {len(missing)} jars"):
        await run_together(download(jar) for jar in missing)


def _add_to_cache(maven: ModuleType, jar: Jar, *, folder: Path) -> None:
    # Only a verified file is moved into the cache: a download that is interrupted leaves nothing there.
    with TemporaryDirectory(dir=folder, prefix=".fetching-") as staging:
        path = _download(maven, jar, staging=Path(staging))
        jar.check(path, advice="the download was deleted")
        path.replace(folder / jar.file)


def _download(maven: ModuleType, jar: Jar, *, staging: Path) -> Path:
    for attempt in range(ATTEMPTS):
        time.sleep(attempt)
        context = maven.MavenContext(repo_cache=staging / str(attempt), local_repos=[], timeout=DOWNLOAD_SECONDS)
        try:
            return Path(context.create_dependency(jar.coordinate).artifact.resolve())
        except Exception as error:  # noqa: BLE001 - jgo and its dependencies raise errors of every kind
            failure = error
    raise SandboxError(f"cannot download {jar.coordinate}; check the network: {failure}") from failure


def write_lock(jars: Iterable[Jar]) -> str:
    """The text of a lock file: one line for each jar, sorted."""
    lines = sorted(f"{jar.coordinate} {jar.sha256}" for jar in jars)
    return "\n".join(["# Written by python -m unenroll.sandbox.jars", *lines, ""])


def resolve(folder: Path) -> list[Jar]:
    """The jars of ROOTS and of all that they need at run time, downloaded into `folder`."""
    context = import_extra("jgo.maven").MavenContext(repo_cache=folder, timeout=DOWNLOAD_SECONDS)
    direct, transitive = context.resolver.resolve([context.create_dependency(root) for root in ROOTS])
    return [
        Jar(coordinate=f"{one.groupId}:{one.artifactId}:{one.version}", sha256=sha256(one.artifact.resolve()))
        for one in [*direct, *transitive]
    ]


def main() -> None:
    """Resolve ROOTS and write kafka.lock."""
    with TemporaryDirectory() as folder, as_file(files("unenroll.sandbox").joinpath("kafka.lock")) as lock:
        lock.write_text(write_lock(resolve(Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
