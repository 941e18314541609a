"""Workers are added and taken away slowly, and never more than there are partitions."""

from agree.pages import ROOT
from deploy.cluster import PODS, environment, keys, of_kind, one
from unenroll.cli.worker import defaults
from unenroll.kafka.topics import INPUTS, read_topics
from unenroll.settings import WorkerSettings

SETTINGS = defaults(WorkerSettings)


def test_workers_are_as_many_as_the_backlog_needs_and_no_more_than_there_are_partitions() -> None:
    (scaled,) = of_kind("ScaledObject")
    spec, wanted = scaled["spec"], read_topics(ROOT / "deploy/kafka/topics.toml")
    worker_environment = environment(PODS["unenroll-worker"])
    assert spec["maxReplicaCount"] == wanted.partitions
    assert spec["minReplicaCount"] >= 2
    assert "fallback" not in spec
    assert {trigger["metadata"]["topic"] for trigger in spec["triggers"]} == {
        worker_environment["UNENROLL_TOPIC_PREFIX"] + word for word in INPUTS
    }
    for trigger in spec["triggers"]:
        asked = trigger["metadata"]
        assert {name for name in asked if name.endswith("FromEnv") and asked[name] not in worker_environment} == set()
        assert int(asked["activationLagThreshold"]) >= 2 * wanted.partitions
        assert (asked["excludePersistentLag"], asked["allowIdleConsumers"]) == ("true", "false")
        assert (
            trigger["authenticationRef"]["name"] == one("TriggerAuthentication", "unenroll-scaler")["metadata"]["name"]
        )
    for secret in one("TriggerAuthentication", "unenroll-scaler")["spec"]["secretTargetRef"]:
        assert secret["key"] in keys("Secret", secret["name"])


def test_what_scales_a_deployment_alone_says_how_many_there_are() -> None:
    (scaled,) = of_kind("ScaledObject")
    assert "replicas" not in one("Deployment", scaled["spec"]["scaleTargetRef"]["name"])["spec"]
    assert one("Deployment", "unenroll-api")["spec"]["replicas"] >= 2


def test_it_scales_in_slowly_because_each_step_moves_lanes() -> None:
    (scaled,) = of_kind("ScaledObject")
    behavior = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    session = int(SETTINGS["UNENROLL_SESSION_TIMEOUT_MS"]) / 1000
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] >= session
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 10 * session
    assert all(policy["periodSeconds"] > 2 * session for way in behavior.values() for policy in way["policies"])
