"""Definitions over Kafka: read before the first lane opens, followed afterwards, and never taken back."""

import json
from typing import Any

from support.deployment import Deployment, first_answers, group_of
from support.events import ABC, leave_record
from support.topics import NewRecord, produce, produce_with_invalid_header
from support.workers import RunningCommand, run_command, running_command, wait_until
from unenroll.postgres.definitions import dump_group

DEF: dict[str, Any] = {**ABC, "targetGroupId": 12, "targets": [{"targetId": 22, "name": "DEF", "kind": "MILESTONE"}]}
STREAK = {"targetId": 21, "name": "ABC", "kind": "STREAK", "levels": [4]}
JUNE = {"periodName": "c6", "start": "2026-06-01T00:00:00Z", "end": "2026-07-01T00:00:00Z"}
LATER = {**ABC, "version": 2, "cycles": [*ABC["cycles"], JUNE]}  # type: ignore[misc] # ABC's cycles are a list


def event(name: str, data: dict[str, Any], *, event_id: str) -> NewRecord:
    key = data.get("customerId", data["targetGroupId"])
    return NewRecord(
        key=str(key).encode(),
        value=json.dumps(data).encode(),
        headers=[
            ("ce_specversion", b"1.0"),
            ("ce_type", f"unenroll.{name}.v1".encode()),
            ("ce_source", b"/campaigns"),
            ("ce_id", event_id.encode()),
            ("ce_time", b"2026-01-01T00:00:00Z"),
        ],
    )


def defined(data: dict[str, Any]) -> NewRecord:
    return event("TargetGroupDefined", data, event_id=f"{data['targetGroupId']} v{data['version']}")


def enrolled(customer: int, *, group: int = 11, target: int = 21, at: str = "2026-01-01T00:00:00Z") -> NewRecord:
    data = {"customerId": customer, "targetGroupId": group, "targetId": target, "enrolledAt": at}
    return event("CustomerEnrolled", data, event_id=f"in {customer}")


def in_def(customer: int) -> NewRecord:
    data = {"customerId": customer, "targetGroupId": 12, "targetId": 22}
    return NewRecord(**{**vars(leave_record(customer, target=22)), "value": json.dumps(data).encode()})


def group_of_one(number: int) -> dict[str, Any]:
    """A group with one target of the same number."""
    return {**DEF, "targetGroupId": number, "targets": [{"targetId": number, "name": "DEF", "kind": "MILESTONE"}]}


def to_leave(customer: int, number: int) -> NewRecord:
    """A request to leave the target of this group."""
    data = {"customerId": customer, "targetGroupId": number, "targetId": number}
    return event("UnenrollRequested", data, event_id=f"leave-{customer} of {number}")


def define(deployment: Deployment, *records: NewRecord) -> None:
    produce(deployment.kafka, f"{deployment.prefix}definitions", records)


def tell(deployment: Deployment, *records: NewRecord) -> None:
    produce(deployment.kafka, f"{deployment.prefix}facts", records)


def wait_for_answer(deployment: Deployment, worker: RunningCommand, request: str) -> None:
    wait_until(lambda: request in first_answers(deployment.consume()), f"the answer to {request}", show=worker.output)


def test_definitions_are_read_before_the_first_lane_opens(deployment: Deployment) -> None:
    deployment.request([in_def(1)])
    tell(deployment, enrolled(1, group=12, target=22))
    others = map(group_of_one, range(1_000, 1_400))
    define(
        deployment, *map(defined, others), defined(DEF)
    )  # so many that a lane that did not wait would be open before
    deployment.catch_up()
    (left,) = deployment.consume("unenrollments")
    assert left.data["targetGroupId"] == 12
    assert "GROUP_NOT_FOUND" not in {one.data["outcome"] for one in deployment.consume("rejections")}


def test_a_definition_that_was_on_the_topic_before_a_request_counts(deployment: Deployment) -> None:
    numbers = range(112, 132)
    with running_command("run", environment=deployment.environment) as worker:
        worker.wait_for_log('"lane_opened"', times=4)
        for number in numbers:
            define(deployment, defined(group_of_one(number)))
            deployment.request([to_leave(1, number)])
        requests = {f"leave-1 of {number}" for number in numbers}
        wait_until(lambda: first_answers(deployment.consume()).keys() == requests, "the answers", show=worker.output)
    assert {one.data["outcome"] for one in deployment.consume("rejections")} == {"NOT_ENROLLED"}


def test_partitions_that_are_added_to_definitions_are_read_while_the_worker_runs(deployment: Deployment) -> None:
    with running_command("run", environment=deployment.environment) as worker:
        worker.wait_for_log('"lane_opened"', times=4)
        deployment.add_partitions("definitions", 5)
        define(deployment, NewRecord(**{**vars(defined(group_of_one(12))), "partition": 4}))
        deployment.request([to_leave(1, 12)])
        wait_for_answer(deployment, worker, "leave-1 of 12")
    assert {one.data["outcome"] for one in deployment.consume("rejections")} == {"NOT_ENROLLED"}


def test_a_name_that_nobody_defines_is_answered_at_once(deployment: Deployment) -> None:
    deployment.request(NewRecord(**{**vars(in_def(customer)), "partition": 0}) for customer in range(1, 30))
    run_command("run", "--until-caught-up", environment={**deployment.environment, "UNENROLL_BATCH_RECORDS": "1"})
    assert {one.data["outcome"] for one in deployment.consume("rejections")} == {"GROUP_NOT_FOUND"}


async def test_a_worker_that_starts_reads_only_new_definitions(deployment: Deployment) -> None:
    define(deployment, *(NewRecord(**{**vars(defined(group_of_one(number))), "partition": 0}) for number in (12, 13)))
    assert deployment.catch_up().count('"definition_stored"') == 2
    saved = await deployment.rows("select position from definition_positions where partition = 0")
    assert saved == [{"position": 2}]
    await deployment.execute("delete from targets where group_id = 12; delete from target_groups where group_id = 12")
    assert "definition_stored" not in deployment.catch_up()


async def test_appended_cycles_settle_the_accounts_that_wait_for_them_once(deployment: Deployment) -> None:
    tell(deployment, *(enrolled(customer) for customer in range(1, 6)), enrolled(9, at="2026-06-15T00:00:00Z"))
    deployment.catch_up()
    deployment.request([*(leave_record(customer, "2026-06-02T00:00:00Z") for customer in range(1, 6))])
    deployment.catch_up()
    assert {one.data["outcome"] for one in deployment.consume("rejections")} == {"NOTHING_LEFT"}
    define(deployment, defined(LATER))
    deployment.catch_up()
    deployment.catch_up()
    left = deployment.consume("unenrollments")
    assert sorted(one.data["customerId"] for one in left) == [1, 2, 3, 4, 5]
    assert {json.dumps(one.data["droppedPeriods"]) for one in left} == {'{"first": "c6", "last": "c6", "count": 1}'}
    assert await deployment.rows("select * from resettlements") == []
    assert [row["customer_id"] for row in await deployment.rows("select customer_id from accounts where waits")] == []
    facts = deployment.consume("facts")
    assert sorted(one.data["customerId"] for one in facts if one.header("ce_source") == "/unenroll") == [
        1,
        2,
        3,
        4,
        5,
        9,
    ]


async def test_a_definition_with_a_header_name_that_is_not_utf_8_is_refused_and_those_behind_it_are_read(
    deployment: Deployment,
) -> None:
    odd = defined({**ABC, "version": 7}).value or b""
    await produce_with_invalid_header(deployment.kafka, f"{deployment.prefix}definitions", [odd], odd=odd, partition=0)
    produce(
        deployment.kafka, f"{deployment.prefix}definitions", [NewRecord(**{**vars(defined(LATER)), "partition": 0})]
    )
    for _ in range(2):
        deployment.catch_up()
        refused = await deployment.rows("select partition, reason from definition_refusals")
        assert refused == [{"partition": 0, "reason": "schema"}]
        assert await deployment.rows("select group_id, version from target_groups") == [{"group_id": 11, "version": 2}]


REFUSED = {
    "a cycle is moved": (defined({**ABC, "version": 2, "cycles": [JUNE]}), "definition_refused"),
    "the same version with another content": (defined({**ABC, "name": "Autumn"}), "definition_refused"),
    "a tombstone": (NewRecord(key=b"11", value=None), "tombstone"),
    "no definition": (NewRecord(key=b"11", value=b"{"), "not_json"),
    "a kind changes": (defined({**ABC, "version": 2, "targets": [STREAK]}), "definition_refused"),
}


async def test_definitions_that_may_not_follow_are_refused_and_the_old_one_stays(deployment: Deployment) -> None:
    define(deployment, defined(ABC), *(record for record, _ in REFUSED.values()))
    result = deployment.catch_up()
    assert result.count('"event": "definition_refused"') == len(REFUSED)
    reasons = 'select reason from definition_refusals order by "offset"'
    refused = [row["reason"] for row in await deployment.rows(reasons)]
    assert dict(zip(REFUSED, refused, strict=True)) == {what: reason for what, (_, reason) in REFUSED.items()}
    (group,) = await deployment.rows("select version, definition from target_groups")
    assert json.loads(group["definition"]) == json.loads(dump_group(group_of(ABC)))
    assert group["version"] == 1
    deployment.catch_up()
    assert [row["reason"] for row in await deployment.rows(reasons)] == refused
