"""What is applied to a cluster, as tests look at it."""

from collections.abc import Iterator

import yaml

from deploy.rendered import KUBERNETES, OVERLAYS, Manifest, manifests, pods

ALL = {overlay: manifests(overlay) for overlay in OVERLAYS}
RUNNING = ALL["production"]
EVERY = [manifest for found in ALL.values() for manifest in found]
PODS = {name: pod for found in ALL.values() for name, pod in pods(found).items()}
BEFORE = [*yaml.safe_load_all((KUBERNETES / "prerequisites.yaml").read_text(encoding="utf-8"))]
SERVED = ("unenroll-worker", "unenroll-api")


def kind(manifest: Manifest) -> str:
    return f"{manifest['apiVersion']} {manifest['kind']}"


def of_kind(name: str, found: list[Manifest] = RUNNING) -> list[Manifest]:
    return [manifest for manifest in found if manifest["kind"] == name]


def one(name: str, called: str) -> Manifest:
    (found,) = (manifest for manifest in of_kind(name, EVERY) if manifest["metadata"]["name"] == called)
    return found


def title(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def container(pod: Manifest) -> Manifest:
    (only,) = pod["spec"]["containers"]
    return dict(only)


def environment(pod: Manifest) -> dict[str, str]:
    """All that the container is told, from ConfigMaps too."""
    variables: dict[str, str] = {}
    for source in container(pod)["envFrom"]:
        (name,) = (reference["name"] for reference in source.values())
        variables |= next(found["data"] for found in of_kind("ConfigMap", EVERY) if found["metadata"]["name"] == name)
    return variables | {variable["name"]: variable["value"] for variable in container(pod)["env"]}


def mounted(pod: Manifest) -> dict[str, Manifest]:
    """The volumes by the folder that they appear in."""
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    return {mount["mountPath"]: volumes[mount["name"]] for mount in container(pod)["volumeMounts"]}


def keys(source: str, name: str) -> set[str]:
    """The keys of a ConfigMap or Secret that is applied, or has to be there before."""
    found = [
        manifest for manifest in (*EVERY, *BEFORE) if (manifest["kind"], manifest["metadata"]["name"]) == (source, name)
    ]
    assert found, f"nobody makes {source} {name}"
    return {key for part in ("data", "stringData") for key in found[0].get(part, {})}


def selected(labels: dict[str, str]) -> set[str]:
    return {name for name, pod in PODS.items() if labels.items() <= pod["metadata"]["labels"].items()}


def probes(pod: Manifest) -> Iterator[tuple[str, Manifest]]:
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        if name in container(pod):
            yield name, container(pod)[name]
