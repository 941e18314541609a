"""The manifests as `make render` has left them, and what they were made from."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from agree.pages import ROOT

Manifest = dict[str, Any]

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
OVERLAYS = ("production", "production-jobs")
_SOURCES = (KUBERNETES, DEPLOY / "grafana", DEPLOY / "kafka")
_KINDS_OF_SOURCE = {".yaml", ".env", ".json", ".toml"}
_MARK = "# made from files with the sum "


def rendered(overlay: str) -> Path:
    """Where the overlay's manifests are kept as they are applied."""
    return KUBERNETES / f"rendered/{overlay}.yaml"


def sum_of_sources() -> str:
    """The SHA-256 sum of the names and contents of all files that the manifests are made from."""
    total = sha256()
    for file in sorted(file for folder in _SOURCES for file in folder.rglob("*") if _is_source(file)):
        total.update(f"{file.relative_to(DEPLOY)}\n".encode())
        total.update(sha256(file.read_bytes()).digest())
    return total.hexdigest()


def head() -> str:
    """What stands above rendered manifests."""
    return f"# `make render` makes this file: change what it is made from, not this.\n{_MARK}{sum_of_sources()}\n"


def manifests(overlay: str) -> list[Manifest]:
    """All that the overlay applies."""
    return [*yaml.safe_load_all(rendered(overlay).read_text(encoding="utf-8"))]


def pods(found: list[Manifest]) -> dict[str, Manifest]:
    """The pod templates among the manifests, by the name of their owner."""
    templates = {}
    for manifest in found:
        spec = manifest.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            templates[manifest["metadata"]["name"]] = spec["template"]
    return templates


def _is_source(file: Path) -> bool:
    return file.suffix in _KINDS_OF_SOURCE and "rendered" not in file.parts
