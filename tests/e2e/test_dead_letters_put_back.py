"""`unenroll dlq` lists, redrives and parks dead letters, and a redrive puts each letter back once."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.cases import some
from support.deployment import Deployment, first_answers
from support.events import ENROLLED, enrollment_data, leave_record, lines_of_customer
from support.files import XYZ, command
from support.killed_commands import PUBLISHING, killed_command
from support.topics import ConsumedRecord, NewRecord
from support.workers import run_command
from unenroll.postgres.redrives import LetterState
from unenroll.wire.ndjson import publish_line
from unenroll.wire.topics import Message

CUSTOMERS = range(701, 741)
STREAK = enrollment_data("01 01", target=22, name="streak", periodName="d1")


def dlq(deployment: Deployment, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
    result = command("dlq", *arguments, "--json", environment=deployment.environment)
    assert result.code == code, result
    return json.loads(result.out) if result.out else result.err


def run_without_waiting(deployment: Deployment) -> str:
    return run_command("run", "--until-caught-up", environment=deployment.environment)


def enrolled_too_early(deployment: Deployment) -> None:
    """Publish enrollments in a streak that is not defined yet, so that all become dead letters."""
    deployment.publish(line for customer in CUSTOMERS for line in lines_of_customer(customer, [STREAK]))
    run_without_waiting(deployment)


def define_streak(deployment: Deployment) -> None:
    line = {"type": "TargetGroupDefined", "source": "/c", "id": "12", "time": "2026-01-01T00:00:00Z", "data": XYZ}
    deployment.publish([json.dumps(line)])


def put_back(deployment: Deployment, word: str = "facts") -> list[ConsumedRecord]:
    """Return the records that a redrive put back."""
    return [record for record in deployment.consume(word) if record.header("dlq_redrives") is not None]


async def streaks(deployment: Deployment) -> list[int]:
    return [row["customer_id"] for row in await deployment.rows("select customer_id from enrollments order by 1")]


async def test_letters_take_effect_once_their_definition_exists(deployment: Deployment) -> None:
    enrolled_too_early(deployment)
    deployment.request([NewRecord(key=b"7", value=b"{", headers=leave_record(7).headers)])
    run_without_waiting(deployment)
    counts = {(one["reason"], one["retry_condition"]): one["letters"] for one in dlq(deployment, "list")["counts"]}
    assert counts == {("group_not_found", "once its target group is defined"): 40, ("not_json", None): 1}
    define_streak(deployment)
    assert dlq(deployment, "redrive", "--dry-run")["put_back"] == len(CUSTOMERS)
    assert put_back(deployment) == []
    done = dlq(deployment, "redrive")
    assert (done["put_back"], done["skipped"]) == (len(CUSTOMERS), {"not_retryable": 1})
    deployment.catch_up()
    assert await streaks(deployment) == list(CUSTOMERS)
    assert [one["reason"] for one in dlq(deployment, "list")["counts"]] == ["not_json"]
    assert dlq(deployment, "redrive")["put_back"] == 0


def test_a_letter_goes_back_with_the_key_value_headers_and_partition_of_its_record(deployment: Deployment) -> None:
    message = publish_line(lines_of_customer(701, [STREAK])[0].encode())
    assert isinstance(message, Message)
    headers = (*message.headers, ("traceparent", b"00-1"), ("odd", None), ("odd", b"\xff"))
    deployment.publish(lines_of_customer(700, [ENROLLED]))
    record = NewRecord(key=b"another key", value=message.value, headers=list(headers), partition=2)
    deployment.produce("facts", [record])
    run_without_waiting(deployment)
    dlq(deployment, "redrive")
    (back,) = put_back(deployment)
    assert (back.partition, back.key, back.value) == (2, b"another key", message.value)
    assert back.headers == (*headers, ("dlq_redrives", b"1"))


def test_letters_that_keep_failing_are_parked_after_the_maximum_number_of_redrives(deployment: Deployment) -> None:
    enrolled_too_early(deployment)
    for times in (1, 2):
        assert dlq(deployment, "redrive", "--max-redrives", "2")["put_back"] == len(CUSTOMERS)
        run_without_waiting(deployment)
        letters = dlq(deployment, "list", "--limit", "100")["latest"]
        assert {letter["redrives"] for letter in letters} == {times}
    done = dlq(deployment, "redrive", "--max-redrives", "2", "--by", "Ada")
    assert (done["put_back"], done["parked"]) == (0, len(CUSTOMERS))
    assert dlq(deployment, "list")["letters"] == 0
    (parked,) = dlq(deployment, "list", "--state", "parked", "--limit", "1")["latest"]
    assert (parked["handled_by"], parked["why"]) == ("Ada", "it was put back 2 times or more")
    assert dlq(deployment, "redrive", "--parked")["put_back"] == len(CUSTOMERS)
    times_back = Counter(record.header("dlq_redrives") for record in put_back(deployment))
    assert times_back == {"1": 40, "2": 40, "3": 40}


@pytest.mark.parametrize("phase", some(PUBLISHING, always={"committed"}))
async def test_a_redrive_that_is_killed_and_repeated_puts_each_letter_back_once(
    deployment: Deployment, phase: str
) -> None:
    enrolled_too_early(deployment)
    define_streak(deployment)
    with killed_command(phase, "dlq", "redrive", environment=deployment.environment) as killed:
        assert killed.wait() == -9, killed.output()
    assert dlq(deployment, "list", "--state", "unsettled")["letters"] == len(CUSTOMERS)
    deployment.request([NewRecord(key=b"7", value=b"{", headers=leave_record(7).headers)])
    deployment.catch_up()
    dlq(deployment, "redrive")
    back = Counter((record.key, record.header("dlq_redrives")) for record in put_back(deployment))
    assert back == {(str(customer).encode(), "1"): 1 for customer in CUSTOMERS}
    deployment.catch_up()
    assert await streaks(deployment) == list(CUSTOMERS)
    assert dlq(deployment, "list", "--state", "redriven")["letters"] == len(CUSTOMERS)


def test_a_long_redrive_that_is_killed_continues_where_it_was(deployment: Deployment) -> None:
    many = range(10_000, 10_600)
    deployment.publish(line for customer in many for line in lines_of_customer(customer, [STREAK]))
    run_without_waiting(deployment)
    with killed_command("sent", "dlq", "redrive", environment=deployment.environment, transaction=2) as killed:
        assert killed.wait() == -9, killed.output()
    counts = {one["state"]: one["letters"] for one in dlq(deployment, "list", *every_state())["counts"]}
    assert sum(counts.values()) == 600
    assert min(counts["redriven"], counts["unsettled"]) > 0
    assert dlq(deployment, "redrive")["put_back"] == 600 - counts["redriven"]
    back = Counter(record.key for record in put_back(deployment))
    assert back == {str(customer).encode(): 1 for customer in many}


def every_state() -> list[str]:
    return [word for state in LetterState for word in ("--state", state.value)]


def test_one_letter_is_edited_and_put_back(deployment: Deployment, tmp_path: Path) -> None:
    deployment.load([json.dumps({**ENROLLED, "data": {"customerId": 7, **ENROLLED["data"]}})])
    good = leave_record(7)
    without_time = [header for header in good.headers if header[0] != "ce_time"]
    deployment.request([NewRecord(key=b"7", value=b"{", headers=without_time, partition=1)])
    deployment.catch_up()
    (letter,) = dlq(deployment, "list")["latest"]
    assert (letter["origin"], letter["reason"]) == ("requests-1@0", "not_json")
    file = tmp_path / "value.json"
    file.write_bytes(good.value or b"")
    edited = ("redrive", "requests-1@0", "--value", str(file))
    assert "dead letter again: no_time" in dlq(deployment, *edited, code=1)
    assert put_back(deployment, "requests") == []
    assert dlq(deployment, *edited, "--header", "ce_time=2026-03-15T00:00:00Z")["put_back"] == 1
    deployment.catch_up()
    assert first_answers(deployment.consume()) == {"leave-7": ["unenroll.UserUnenrolled.v1"]}
    assert dlq(deployment, "list")["letters"] == 0
    assert (
        "some of the named letters were not put back"
        in command("dlq", "redrive", letter["letter"], environment=deployment.environment).err
    )


def test_a_letter_without_its_value_is_skipped(deployment: Deployment) -> None:
    deployment.limit("dead-letters", 10_000)
    deployment.request([NewRecord(key=b"7", value=b"x" * 100_000, headers=leave_record(7).headers)])
    deployment.catch_up()
    done = dlq(deployment, "redrive", "--reason", "not_json")
    assert (done["put_back"], done["skipped"]) == (0, {"incomplete": 1})


def test_letters_are_selected_by_customer_topic_and_time(deployment: Deployment) -> None:
    enrolled_too_early(deployment)
    shown = dlq(deployment, "show", dlq(deployment, "list", "--customer", "711")["latest"][0]["letter"])
    assert json.loads(shown["text"])["customerId"] == 711
    assert {header["name"]: header["text"] for header in shown["headers"]}["ce_id"] == "streak 01 01"
    text = command("dlq", "show", shown["summary"]["letter"], environment=deployment.environment).out
    assert '"customerId": 711' in text
    listed = command("dlq", "list", "--limit", "3", environment=deployment.environment).out
    assert "retry once its target group is defined" in listed
    assert "the latest 3 of 40" in listed
    assert dlq(deployment, "list", "--topic", "requests")["letters"] == 0
    assert dlq(deployment, "list", "--until", "2026-01-01T00:00:00Z")["letters"] == 0
    assert dlq(deployment, "list", "--since", "2026-01-01T00:00:00Z", "--topic", "facts")["letters"] == len(CUSTOMERS)
    assert dlq(deployment, "park", "--customer", "711", "--why", "a test", "--by", "Ada")["parked"] == 1
    assert dlq(deployment, "redrive")["put_back"] == len(CUSTOMERS) - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "17"), "17 is not the position of a letter"),
        (("redrive", "dead-letters-0@99999"), "no dead letter matches dead-letters-0@99999"),
        (("redrive", "--since", "yesterday"), "--since yesterday: must be an instant"),
        (("redrive", "--topic", "rewards"), "--topic rewards: must be one of facts, requests"),
        (("redrive", "--value", "x"), "edit one letter: name exactly one"),
        (("redrive", "dead-letters-0@0", "--value", "no such file"), "cannot read no such file"),
        (("redrive", "dead-letters-0@0", "--header", "x"), "must be NAME=VALUE"),
        (("park", "--why", "tired"), "name the letters to park"),
    ],
)
def test_wrong_usage_is_explained(deployment: Deployment, arguments: tuple[str, ...], message: str) -> None:
    result = command("dlq", *arguments, environment=deployment.environment)
    assert result.code in {1, 2}
    assert message in result.err
    assert "Traceback" not in result.err
