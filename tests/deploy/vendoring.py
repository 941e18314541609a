"""Makes kubernetes.json: the schemas of the kinds that our manifests have, and nothing else of them.

From `kubernetes-validate` (Kubernetes' own OpenAPI), `cloudcoil.models.keda` and `cloudcoil.models.prometheus_operator`
(the operators' CRDs), which are too large to be installed for every test run: `make vendor-schemas`.
"""

import importlib
import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

KUBERNETES = "v1.37.0"
OURS = Path(__file__).with_name("kubernetes.json")
KINDS = {
    "v1 Namespace": "io.k8s.api.core.v1.Namespace",
    "v1 ServiceAccount": "io.k8s.api.core.v1.ServiceAccount",
    "v1 ConfigMap": "io.k8s.api.core.v1.ConfigMap",
    "v1 Secret": "io.k8s.api.core.v1.Secret",
    "v1 Service": "io.k8s.api.core.v1.Service",
    "apps/v1 Deployment": "io.k8s.api.apps.v1.Deployment",
    "batch/v1 Job": "io.k8s.api.batch.v1.Job",
    "batch/v1 CronJob": "io.k8s.api.batch.v1.CronJob",
    "policy/v1 PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
    "networking.k8s.io/v1 NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
}
OPERATORS = {
    "keda.sh/v1alpha1 ScaledObject": "cloudcoil.models.keda.v1alpha1",
    "keda.sh/v1alpha1 TriggerAuthentication": "cloudcoil.models.keda.v1alpha1",
    "monitoring.coreos.com/v1 PodMonitor": "cloudcoil.models.prometheus_operator.v1",
    "monitoring.coreos.com/v1 PrometheusRule": "cloudcoil.models.prometheus_operator.v1",
}
_PROSE = {"description", "title", "default", "x-kubernetes-group-version-kind", "$schema"}
_PACKAGES = ("kubernetes-validate", "cloudcoil.models.keda", "cloudcoil.models.prometheus_operator")


def main() -> None:
    """Write the file anew."""
    definitions, kinds = _of_kubernetes()
    for kind, module in OPERATORS.items():
        name = f"{module}.{kind.split()[1]}"
        definitions[name] = _of_operator(module, kind.split()[1], deployment=f"#/$defs/{name}")
        kinds[kind] = f"#/$defs/{name}"
    made = {
        "$comment": f"Kubernetes {KUBERNETES}, of {', '.join(f'{name} {version(name)}' for name in _PACKAGES)} "
        "(Apache-2.0), without prose and with closed objects; made by tests/deploy/vendoring.py",
        "kinds": kinds,
        "$defs": definitions,
    }
    OURS.write_text(json.dumps(made, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
    sys.stderr.write(f"{OURS.name}: {OURS.stat().st_size} bytes\n")


def _of_kubernetes() -> tuple[Schema, dict[str, str]]:
    package = importlib.import_module("kubernetes_validate")
    folder = Path(str(package.__file__)).parent / f"kubernetes-json-schema/{KUBERNETES}-local-strict"
    everything = json.loads((folder / "_definitions.json").read_text(encoding="utf-8"))["$defs"]
    names = list(KINDS.values())
    for name in names:  # grows while it is gone through
        names += [found for found in _named(everything[name]) if found not in names]
    definitions = {name: _silent(everything[name]) for name in names}
    return definitions, {kind: f"#/$defs/{name}" for kind, name in KINDS.items()}


def _named(schema: object) -> Iterator[str]:
    """The definitions that a schema points to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _named(part)


def _of_operator(module: str, name: str, *, deployment: str) -> Schema:
    made = getattr(importlib.import_module(module), name).model_json_schema(by_alias=True)
    schema: Schema = _silent(made)
    for part in (schema, *schema.get("$defs", {}).values()):
        if "properties" in part:
            part["additionalProperties"] = False
    return dict(_moved(schema, deployment))


def _moved(schema: Any, deployment: str) -> Any:  # noqa: ANN401 - any part of a schema
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs", f"{deployment}/$defs") if key == "$ref" else _moved(value, deployment)
            for key, value in schema.items()
        }
    return [_moved(part, deployment) for part in schema] if isinstance(schema, list) else schema


def _silent(schema: Any, *, names: bool = False) -> Any:  # noqa: ANN401 - any part of a schema
    """Without the words for people. `names`: the keys are properties, whatever they are called."""
    if isinstance(schema, dict):
        return {
            key: _silent(value, names=key in {"properties", "$defs"} and not names)
            for key, value in schema.items()
            if names or key not in _PROSE
        }
    return [_silent(part) for part in schema] if isinstance(schema, list) else schema


if __name__ == "__main__":
    main()
