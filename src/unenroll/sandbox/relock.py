"""Writes `kafka.lock` anew: `python -m unenroll.sandbox.relock`, after a change of `ROOTS`."""

from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

from unenroll.sandbox.extras import extra
from unenroll.sandbox.lock import Jar, sha256, written

# Kafka names no logger of its own; without one it would keep its reasons for failing to itself.
ROOTS = ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-simple:1.7.36")


def resolved(folder: Path) -> list[Jar]:
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
        lock.write_text(written(resolved(Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
