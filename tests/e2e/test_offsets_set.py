"""`unenroll offsets set` refuses while a worker runs, keeps who and why, and skips records only with --skip."""

import json
from typing import Any

import pytest

from support.deployment import Deployment, first_answers
from support.events import leave_record, three_rewards
from support.files import command
from support.workers import running_command
from unenroll.errors import SetupError
from unenroll.kafka.admin import KafkaAdmin, TopicPartitionNumber
from unenroll.settings import KafkaSettings

CUSTOMERS = range(801, 821)
EVERYBODY = {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in CUSTOMERS}
WHY = ("--why", "a test", "--by", "Ada")


def offsets(deployment: Deployment, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
    result = command("offsets", *arguments, "--json", environment=deployment.environment)
    assert result.code == code, result
    return json.loads(result.out) if result.out else result.err


async def commit_offsets(deployment: Deployment) -> None:
    cluster = KafkaAdmin(KafkaSettings(kafka_bootstrap_servers=deployment.kafka, topic_prefix=deployment.prefix))
    await cluster.commit(
        deployment.group_id, {TopicPartitionNumber(topic=f"{deployment.prefix}requests", number=0): (0, "")}
    )


def everybody_leaves(deployment: Deployment) -> None:
    deployment.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    deployment.request(leave_record(customer) for customer in CUSTOMERS)
    deployment.catch_up()


def of_requests(shown: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    return [one for one in shown["partitions"] if one["topic"].endswith("requests")]


async def test_offsets_are_refused_while_a_worker_runs(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    with running_command("run", environment=deployment.environment) as worker:
        worker.wait_for_log('"lane_opened"')
        assert "has members: unenroll-" in offsets(deployment, "set", "--to", "earliest", *WHY, code=1)
        with pytest.raises(SetupError, match="has members"):  # Kafka refuses too
            await commit_offsets(deployment)
    assert all(one["resumes_at"] == one["decided"] for one in of_requests(offsets(deployment, "show")))


def test_reading_again_changes_nothing_and_the_operator_is_kept(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    before = deployment.consume()
    assert len(offsets(deployment, "set", "--to", "earliest", "--dry-run", *WHY)["partitions"]) == 8
    assert offsets(deployment, "show")["changes"] == []
    done = offsets(deployment, "set", "--to", "earliest", "--topic", "requests", *WHY)
    assert [one["offset"] for one in done["partitions"]] == [0, 0, 0, 0]
    shown = offsets(deployment, "show")
    (move,) = shown["changes"]
    assert (move["by"], move["why"], len(move["partitions"])) == ("Ada", "a test", 4)
    assert move["done_at"] is not None
    assert {one["resumes_at"] for one in of_requests(shown)} == {0}
    assert {one["remark"] for one in of_requests(shown)} == {
        "an operator set this offset: a lane reads decided records again and changes nothing"
    }
    assert duplicates(deployment.catch_up()) == len(CUSTOMERS)
    assert deployment.consume() == before


def test_an_instant_means_the_first_record_written_then_or_later(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    ends = [one["end"] for one in of_requests(offsets(deployment, "show"))]
    for instant, expected in (("2020-01-01T00:00:00Z", [0, 0, 0, 0]), ("2099-01-01T00:00:00+02:00", ends)):
        done = offsets(deployment, "set", "--to", instant, "--topic", "requests", "--dry-run", *WHY)
        assert [one["offset"] for one in done["partitions"]] == expected


def duplicates(log: str) -> int:
    """Return how many records of the batches in a log were duplicates."""
    batches = [json.loads(line) for line in log.splitlines() if '"batch_published"' in line]
    return sum(batch.get("duplicate", 0) for batch in batches)


def test_undecided_records_are_skipped_only_with_skip(deployment: Deployment) -> None:
    deployment.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    deployment.catch_up()
    deployment.request(leave_record(customer) for customer in CUSTOMERS)
    refused = offsets(deployment, "set", "--to", "latest", *WHY, code=1)
    assert f"would skip {len(CUSTOMERS)} offsets that no worker has decided" in refused
    done = offsets(deployment, "set", "--to", "latest", "--skip", *WHY)
    assert sum(one["skipped"] for one in done["partitions"]) == len(CUSTOMERS)
    deployment.request([leave_record(999)])
    deployment.catch_up()
    assert first_answers(deployment.consume()) == {"leave-999": ["unenroll.UnenrollRejected.v1"]}


def test_a_worker_that_stopped_for_lost_records_resumes_at_the_offset_that_is_set(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    deployment.request(leave_record(customer, event_id=f"again-{customer}") for customer in CUSTOMERS)
    deployment.delete_records()
    stopped = [one for one in of_requests(offsets(deployment, "show")) if one["refused"]]
    assert all("records are lost" in one["refused"] for one in stopped)
    for one in stopped:
        where = ("--topic", "requests", "--partition", str(one["partition"]))
        offsets(deployment, "set", "--to", str(one["first"]), *where, "--skip", *WHY)
    assert stopped
    deployment.request([leave_record(999)])
    deployment.catch_up()
    assert first_answers(deployment.consume()) == {**EVERYBODY, "leave-999": ["unenroll.UnenrollRejected.v1"]}


async def test_events_that_kafka_has_are_not_published_again_after_a_change_of_offsets(deployment: Deployment) -> None:
    """The lane's row does not know the last published number. The command reads it from Kafka."""
    everybody_leaves(deployment)
    await deployment.execute("update lanes set published = 0")
    offsets(deployment, "set", "--to", "earliest", *WHY)
    deployment.catch_up()
    assert first_answers(deployment.consume()) == EVERYBODY


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("set", "--to", "earliest"), "Missing option '--why'"),
        (("set", "--to", "soon", *WHY), "--to soon: must be an instant"),
        (("set", "--to", "17", *WHY), "name it with --topic and --partition"),
        (("set", "--to", "17", "--topic", "requests", "--partition", "0", *WHY), "--to 17: partition 0 of"),
        (("set", "--to", "earliest", "--partition", "99", *WHY), "no such partition of the input topics"),
        (("set", "--to", "earliest", "--topic", "rewards", *WHY), "must be one of facts, requests"),
    ],
)
def test_wrong_usage_is_explained(deployment: Deployment, arguments: tuple[str, ...], message: str) -> None:
    result = command("offsets", *arguments, environment=deployment.environment)
    assert result.code == 2
    assert message in " ".join(result.err.split())
    assert "Traceback" not in result.err
