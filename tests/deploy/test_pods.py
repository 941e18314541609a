"""A pod is told what it needs, may do no more than it needs, and has the time that it needs."""

import tomllib
from pathlib import Path

import pytest
import typer

from agree.pages import ROOT
from deploy.cluster import EVERY, PODS, SERVED, container, environment, keys, mounted, of_kind, probes
from deploy.rendered import Manifest
from unenroll.api import app as serving
from unenroll.cli.main import app
from unenroll.cli.worker import defaults
from unenroll.kafka import consumer_group as membership
from unenroll.kafka.idempotent_producer import DELIVERY_SECONDS
from unenroll.settings import PREFIX, ApiSettings, LogSettings
from unenroll.worker import lanes as group

SETTINGS = {**defaults(ApiSettings), **defaults(LogSettings)}
SECRETS = {
    f"{PREFIX}{name.upper()}_FILE"
    for name, field in ApiSettings.model_fields.items()
    if "Secret" in str(field.annotation)
}
NAMES = {"UNENROLL_KAFKA_SASL_USERNAME", "UNENROLL_KAFKA_SASL_OAUTH_CLIENT_ID"}
"""They may stand in files, to change with what goes with them; everybody may know them."""

each_pod = pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
each_served = pytest.mark.parametrize("name", SERVED)


@each_pod
def test_what_a_pod_refers_to_is_there(pod: Manifest) -> None:
    accounts = {account["metadata"]["name"] for account in of_kind("ServiceAccount", EVERY)}
    assert pod["spec"]["serviceAccountName"] in accounts
    for volume in pod["spec"]["volumes"]:
        assert (
            keys("Secret", volume["secret"]["secretName"])
            if "secret" in volume
            else keys("ConfigMap", volume["configMap"]["name"])
        )
    assert environment(pod)


@each_pod
def test_a_file_that_a_pod_is_told_of_is_mounted(pod: Manifest) -> None:
    files = {value for name, value in environment(pod).items() if value.startswith("/")}
    files |= {argument for argument in container(pod)["args"] if argument.startswith("/")}
    assert files
    for file in map(Path, files):
        volume = mounted(pod)[str(file.parent)]
        source, name = ("Secret", "secretName") if "secret" in volume else ("ConfigMap", "name")
        assert file.name in keys(source, volume[source.lower().replace("configmap", "configMap")][name])


@each_pod
def test_a_pod_is_told_settings_that_there_are(pod: Manifest) -> None:
    named = {name for name in environment(pod) if name.startswith(PREFIX)}
    assert named - SETTINGS.keys() - SECRETS == set()


@each_pod
def test_no_secret_stands_in_what_a_pod_is_told(pod: Manifest) -> None:
    assert ({name.removesuffix("_FILE") for name in SECRETS} - NAMES) & environment(pod).keys() == set()


@each_pod
def test_a_pod_runs_a_command_that_there_is(pod: Manifest) -> None:
    word, *arguments = container(pod)["args"]
    command = typer.main.get_command(app).commands[word]  # type: ignore[attr-defined]
    command.make_context(word, arguments)


@each_pod
def test_a_pod_may_do_nothing_that_it_need_not(pod: Manifest) -> None:
    spec = pod["spec"]
    user = spec["securityContext"]["runAsUser"]
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(pod)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert f"USER {user}:{user}" in (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8").splitlines()
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()
    assert all(mount["readOnly"] for mount in container(pod)["volumeMounts"])


@each_pod
def test_a_secret_is_readable_to_its_pod_alone(pod: Manifest) -> None:
    modes = [volume["secret"]["defaultMode"] for volume in pod["spec"]["volumes"] if "secret" in volume]
    assert modes == [0o440]


def test_no_account_has_a_token() -> None:
    assert {account["automountServiceAccountToken"] for account in of_kind("ServiceAccount", EVERY)} == {False}


@each_pod
def test_a_pod_asks_for_what_it_needs_and_gets_no_more_than_it_may(pod: Manifest) -> None:
    resources = container(pod)["resources"]
    assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}


def test_the_image_is_the_same_everywhere_and_is_this_version() -> None:
    (image,) = {container(pod)["image"] for pod in PODS.values()}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert image.endswith(f":{version}")


@each_served
def test_probes_ask_for_health_where_it_is_served(name: str) -> None:
    pod = PODS[name]
    ports = {port["name"]: port["containerPort"] for port in container(pod)["ports"]}
    asked = {probe: (how["httpGet"]["path"], how["httpGet"]["port"]) for probe, how in probes(pod)}
    assert asked == {
        "startupProbe": ("/healthz", "http"),
        "livenessProbe": ("/healthz", "http"),
        "readinessProbe": ("/readyz", "http"),
    }
    assert environment(pod)["UNENROLL_HTTP_ADDRESS"] == f"0.0.0.0:{ports['http']}"


@each_served
def test_a_pod_is_not_ended_before_it_is_known_to_be_ill(name: str) -> None:
    alive = container(PODS[name])["livenessProbe"]
    session = int(SETTINGS["UNENROLL_SESSION_TIMEOUT_MS"]) / 1000
    assert alive["periodSeconds"] * alive["failureThreshold"] > session


def test_a_worker_has_the_time_to_drain_its_lanes() -> None:
    budgets = group.DRAIN_SECONDS + group.CUT_OFF_SECONDS + membership._LEAVE_SECONDS  # noqa: SLF001
    grace = PODS["unenroll-worker"]["spec"]["terminationGracePeriodSeconds"]
    assert 1.5 * budgets < grace <= 2 * budgets


def test_the_http_api_has_the_time_to_answer_the_calls_in_flight() -> None:
    pod = PODS["unenroll-api"]
    asleep = container(pod)["lifecycle"]["preStop"]["sleep"]["seconds"]
    waits = int(environment(pod)["UNENROLL_API_WAIT_MS"]) / 1000 + DELIVERY_SECONDS + serving._GRACE_SECONDS  # noqa: SLF001
    assert pod["spec"]["terminationGracePeriodSeconds"] > asleep + waits
