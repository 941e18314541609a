"""Makes the manifests that are applied, with kustomize: `make render`. `--check` says whether they are so already.

Before that it makes the alerts as the Prometheus operator takes them and the topics as Strimzi takes them, from the
files that are written by hand.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from agree.pages import ROOT
from deploy.rendered import KUBERNETES, OVERLAYS, Manifest, head, rendered
from unenroll.kafka.topics import read_topics
from unenroll.wire.topics import Topic

RULES = ROOT / "deploy/prometheus/rules.yaml"
TOPICS = ROOT / "deploy/kafka/topics.toml"
RULES_MADE = KUBERNETES / "components/prometheus-operator/rules.yaml"
TOPICS_MADE = KUBERNETES / "strimzi-topics/topics.yaml"
_LABELS = {"app.kubernetes.io/name": "unenroll", "app.kubernetes.io/part-of": "unenroll"}
_KAFKA = "events"
_SAYS_WHENCE = "# made from deploy/{} by `make render`\n"


def main() -> None:
    """Write all files anew, or say which ones would change, with exit code 1."""
    stale = [path for path, text in _written().items() if _keep(path, text)]
    stale += [path for path, text in _rendered().items() if _keep(path, text)]
    if stale and "--check" in sys.argv:
        sys.exit(f"not as `make render` makes them: {', '.join(str(path.relative_to(ROOT)) for path in stale)}")


def rule() -> Manifest:
    """The alerts as a manifest of the Prometheus operator."""
    spec = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    metadata = {"name": "unenroll", "labels": _LABELS}
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": metadata, "spec": spec}


def topics() -> list[Manifest]:
    """The topics as manifests of Strimzi."""
    wanted = read_topics(TOPICS)
    return [
        {
            "apiVersion": "kafka.strimzi.io/v1beta2",
            "kind": "KafkaTopic",
            "metadata": {"name": f"unenroll.{word}", "labels": {"strimzi.io/cluster": _KAFKA}},
            "spec": {
                "partitions": wanted.partitions,
                "replicas": wanted.replication,
                "config": dict(wanted.settings[word]),
            },
        }
        for word in Topic
    ]


def _rendered() -> dict[Path, str]:
    return {rendered(overlay): head() + _kustomized(KUBERNETES / "overlays" / overlay) for overlay in OVERLAYS}


def _written() -> dict[Path, str]:
    return {
        RULES_MADE: _SAYS_WHENCE.format("prometheus/rules.yaml") + _yaml([rule()]),
        TOPICS_MADE: _SAYS_WHENCE.format("kafka/topics.toml") + _yaml(topics()),
    }


def _yaml(found: list[Any]) -> str:
    return yaml.safe_dump_all(found, sort_keys=False, width=1000)


def _kustomized(overlay: Path) -> str:
    program = os.environ.get("KUSTOMIZE", "kustomize").split()
    command = (
        [*program, str(overlay)]
        if program[-1] == "kustomize" and len(program) > 1
        else [*program, "build", str(overlay)]
    )
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _keep(path: Path, text: str) -> bool:
    """Whether the file is another one now."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    main()
