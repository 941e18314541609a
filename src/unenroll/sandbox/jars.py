"""The jars of the lock in the cache: downloaded once, verified at every start."""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from unenroll.sandbox.errors import SandboxError
from unenroll.sandbox.extras import extra
from unenroll.sandbox.lock import Jar
from unenroll.sandbox.patience import Say, telling
from unenroll.sandbox.place import make_folder
from unenroll.sandbox.together import together

DOWNLOADS_AT_ONCE = 6
ATTEMPTS = 3
ANSWER_SECONDS = 60


async def cached(wanted: tuple[Jar, ...], cache: Path, *, say: Say) -> list[Path]:
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

    async with telling(say, lambda: f"downloading Kafka: {len(done)} of {len(missing)} jars"):
        await together(fetch(jar) for jar in missing)


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
