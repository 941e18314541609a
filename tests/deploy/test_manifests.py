"""What is applied to a cluster fits together."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from agree.pages import ROOT, variables
from deploy.cluster import (
    ALL,
    BEFORE,
    EVERY,
    PODS,
    SERVED,
    container,
    environment,
    keys,
    kind,
    of_kind,
    one,
    selected,
    title,
)
from deploy.rendered import KUBERNETES, OVERLAYS, Manifest, head, rendered
from deploy.rendering import RULES_MADE, TOPICS_MADE, rule, topics
from unenroll.kafka.topics import read_topics

SCHEMAS = json.loads(Path(__file__).with_name("kubernetes.json").read_text(encoding="utf-8"))

each_served = pytest.mark.parametrize("name", SERVED)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_rendered_was_made_from_what_is_there_now(overlay: str) -> None:
    assert rendered(overlay).read_text(encoding="utf-8").startswith(head()), "`make render` makes it again"


def test_alerts_and_topics_for_operators_are_those_that_are_written_by_hand() -> None:
    assert yaml.safe_load(RULES_MADE.read_text(encoding="utf-8")) == rule()
    assert [*yaml.safe_load_all(TOPICS_MADE.read_text(encoding="utf-8"))] == topics()
    assert one("PrometheusRule", "unenroll")["spec"] == rule()["spec"]


@pytest.mark.parametrize("manifest", [*EVERY, *BEFORE], ids=title)
def test_a_manifest_is_as_kubernetes_and_its_operators_take_it(manifest: Manifest) -> None:
    schema = {"$ref": SCHEMAS["kinds"][kind(manifest)], "$defs": SCHEMAS["$defs"]}
    flaws = jsonschema.Draft202012Validator(schema).iter_errors(manifest)
    assert [f"{flaw.json_path}: {flaw.message}" for flaw in flaws] == []


def test_everything_is_in_one_namespace_and_is_made_once() -> None:
    assert {manifest["metadata"].get("namespace", "unenroll") for manifest in (*EVERY, *BEFORE)} == {"unenroll"}
    assert all(len({*map(title, found)}) == len(found) for found in ALL.values())


def test_no_secret_is_applied() -> None:
    assert of_kind("Secret", EVERY) == []


def test_the_authority_of_postgres_is_where_its_address_says() -> None:
    addresses = [
        secret["stringData"]["database-url"]
        for secret in of_kind("Secret", BEFORE)
        if "database-url" in secret["stringData"]
    ]
    files = {Path(re.findall(r"sslrootcert=([^&]+)", address)[0]) for address in addresses}
    assert all("sslmode=verify-full" in address for address in addresses)
    assert {file.parent for file in files} == {Path("/etc/unenroll/authorities")}
    assert {file.name for file in files} <= keys("ConfigMap", "unenroll-authorities")


@each_served
def test_a_deployment_selects_its_pods_and_spreads_them(name: str) -> None:
    spec = one("Deployment", name)["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert selected(spec["selector"]["matchLabels"]) == {name}
    assert [
        spread["labelSelector"]["matchLabels"].items() <= labels.items()
        for spread in spec["template"]["spec"]["topologySpreadConstraints"]
    ]
    assert selected(one("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"]) == {name}


def test_calls_reach_the_http_api() -> None:
    service = one("Service", "unenroll-api")["spec"]
    pod = PODS["unenroll-api"]
    ports = {port["name"]: port["containerPort"] for port in container(pod)["ports"]}
    assert selected(service["selector"]) == {"unenroll-api"}
    assert [port["targetPort"] for port in service["ports"]] == ["api"]
    assert environment(pod)["UNENROLL_API_ADDRESS"] == f"0.0.0.0:{ports['api']}"


def test_only_what_is_said_goes_in_and_out() -> None:
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in of_kind("NetworkPolicy")}
    nothing = policies.pop("nothing-else")
    assert (nothing["podSelector"], set(nothing["policyTypes"])) == ({}, {"Ingress", "Egress"})
    assert not {"ingress", "egress"} & nothing.keys()
    for name, policy in policies.items():
        concerned = selected(policy["podSelector"]["matchLabels"])
        ways = [*policy.get("ingress", []), *policy.get("egress", [])]
        assert concerned
        assert [key for key in ("ingress", "egress") if key in policy] == [
            word.lower() for word in policy["policyTypes"]
        ]
        assert all(way.get("from") or way.get("to") for way in ways), name
        named = {port["port"] for way in ways for port in way["ports"] if isinstance(port["port"], str)}
        has = {port["name"] for pod in concerned for port in container(PODS[pod]).get("ports", [])}
        assert named <= has, name
    assert set(policies) == {"names", "kafka", "postgres", "metrics", "calls"}
    assert selected(policies["calls"]["podSelector"]["matchLabels"]) == {"unenroll-api"}
    assert all(
        selected(policies[name]["podSelector"]["matchLabels"]) == PODS.keys() for name in ("names", "kafka", "postgres")
    )


def test_the_network_lets_through_to_the_ports_of_the_servers() -> None:
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in of_kind("NetworkPolicy")}
    bootstrap_servers = environment(PODS["unenroll-worker"])["UNENROLL_KAFKA_BOOTSTRAP_SERVERS"]
    addresses = {
        re.findall(r"@([^/]+)/", one_before["stringData"]["database-url"])[0]
        for one_before in of_kind("Secret", BEFORE)
        if "database-url" in one_before["stringData"]
    }
    for policy, servers in (("kafka", set(bootstrap_servers.split(","))), ("postgres", addresses)):
        (way,) = policies[policy]["egress"]
        (where,) = way["to"]
        namespace = where["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        assert {int(server.rpartition(":")[2]) for server in servers} == {port["port"] for port in way["ports"]}
        assert all(f".{namespace}.svc:" in server for server in servers)


def test_both_kinds_of_processes_are_scraped() -> None:
    (monitor,) = of_kind("PodMonitor")
    wanted = {pick["key"]: set(pick["values"]) for pick in monitor["spec"]["selector"]["matchExpressions"]}
    found = {
        name
        for name, pod in PODS.items()
        if all(pod["metadata"]["labels"].get(key) in some for key, some in wanted.items())
    }
    assert found == {"unenroll-worker", "unenroll-api"}
    assert [(end["port"], end["path"]) for end in monitor["spec"]["podMetricsEndpoints"]] == [("http", "/metrics")]


def test_wrong_settings_end_a_job_and_servers_that_are_away_do_not() -> None:
    jobs = of_kind("Job", EVERY)
    assert {job["metadata"]["name"] for job in jobs} == {"unenroll-migrate", "unenroll-topics"}
    for job in jobs:
        (policy,) = job["spec"]["podFailurePolicy"]["rules"]
        assert policy["action"] == "FailJob"
        assert policy["onExitCodes"] == {
            "containerName": container(job["spec"]["template"])["name"],
            "operator": "In",
            "values": [2],
        }
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_pruning_keeps_what_a_replay_or_a_dead_letter_can_bring_back() -> None:
    arguments = container(PODS["unenroll-prune"])["args"]
    (age,) = re.findall(r"^(\d+)d$", arguments[arguments.index("--older-than") + 1])
    kept = [
        result.get("retention.ms", "0") for result in read_topics(ROOT / "deploy/kafka/topics.toml").settings.values()
    ]
    assert int(age) > max(map(int, kept)) / 86_400_000


def test_the_example_of_secrets_holds_none() -> None:
    text = (KUBERNETES / "prerequisites.yaml").read_text(encoding="utf-8")
    assert all(":…@" in address for address in re.findall(r"postgresql://\S+", text))
    assert variables(text) == set()
