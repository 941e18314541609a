"""One bad record never holds up the others, and none is lost."""

import hashlib
import json

import pytest

from support.deployment import Deployment, first_answers
from support.events import leave_record, three_rewards
from support.topics import NewRecord, produce_with_invalid_header

POISON = {
    "empty": (b"", "not_json"),
    "a tombstone": (None, "not_json"),
    "not UTF-8": (b'{"customerId": "\xff"}', "not_json"),
    "not JSON": (b"customer 7 wants to leave", "not_json"),
    "no object": (b"[1, 2]", "schema"),
    "NaN": (b'{"customerId": NaN}', "not_json"),
    "nested 100,000 deep": (b"[" * 100_000 + b"]" * 100_000, "not_json"),
    "an integer beyond 64 bits": (
        b'{"customerId": 9223372036854775808, "targetGroupId": 11, "targetId": 21}',
        "schema",
    ),
    "a field missing": (b'{"customerId": 7, "targetGroupId": 11}', "schema"),
    "a field of another type": (b'{"customerId": "7", "targetGroupId": 11, "targetId": 21}', "schema"),
}
HEADERS = leave_record(7).headers


def test_a_poison_record_is_dead_lettered_and_those_around_it_are_answered(deployment: Deployment) -> None:
    """Partition 0 begins with one, partition 1 has one in the middle, partition 2 ends with one, 3 has nothing else."""
    customers = range(301, 331)
    deployment.load(line for customer in customers for line in three_rewards(customer))
    for partition, poisoned in enumerate((0, 5, 10)):
        requests = [
            NewRecord(**{**vars(leave_record(customer)), "partition": partition})
            for customer in customers[partition::3]
        ]
        requests.insert(poisoned, NewRecord(key=b"7", value=b"{ %d" % partition, headers=HEADERS, partition=partition))
        deployment.request(requests)
    deployment.request(
        NewRecord(key=b"7", value=b"{ %d" % number, headers=HEADERS, partition=3) for number in range(3, 9)
    )
    deployment.catch_up()
    assert first_answers(deployment.consume()) == {
        f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in customers
    }
    dead = [
        (one.value, one.header("dlq_reason"), one.header("dlq_partition")) for one in deployment.consume("dead-letters")
    ]
    assert sorted(dead) == [(b"{ %d" % number, "not_json", str(min(number, 3))) for number in range(9)]


def test_every_kind_of_malformed_record_becomes_a_dead_letter_with_its_reason(deployment: Deployment) -> None:
    odd = [
        NewRecord(key=b"7", value=value, headers=[*HEADERS, ("kind", kind.encode())])
        for kind, (value, _) in POISON.items()
    ]
    deployment.request([*odd, leave_record(7)])
    deployment.catch_up()
    found = {record.header("kind"): record for record in deployment.consume("dead-letters")}
    assert {kind: record.header("dlq_reason") for kind, record in found.items()} == {
        kind: reason for kind, (_, reason) in POISON.items()
    }
    assert {kind: record.value for kind, record in found.items()} == {
        kind: value for kind, (value, _) in POISON.items()
    }
    assert first_answers(deployment.consume()) == {"leave-7": ["unenroll.UnenrollRejected.v1"]}


def test_a_value_as_large_as_the_topic_allows_comes_back_whole(deployment: Deployment) -> None:
    value = b"x" * (1_048_588 - 2_000)
    deployment.request([NewRecord(key=b"7", value=value, headers=HEADERS), leave_record(7)])
    deployment.catch_up()
    (dead,) = deployment.consume("dead-letters")
    assert dead.value == value
    assert first_answers(deployment.consume()) == {"leave-7": ["unenroll.UnenrollRejected.v1"]}


def test_what_does_not_fit_the_dead_letters_goes_without_its_value(deployment: Deployment) -> None:
    deployment.limit("dead-letters", 10_000)
    value = b"x" * 100_000
    deployment.request([NewRecord(key=b"7", value=value, headers=HEADERS), leave_record(7)])
    deployment.catch_up()
    (dead,) = deployment.consume("dead-letters")
    assert not dead.value
    assert dead.header("dlq_size") == "100000"
    assert dead.header("dlq_sha256") == hashlib.sha256(value).hexdigest()
    assert first_answers(deployment.consume()) == {"leave-7": ["unenroll.UnenrollRejected.v1"]}


async def test_a_record_that_the_database_refuses_is_found_and_dead_lettered_alone(deployment: Deployment) -> None:
    customers = range(401, 431)
    deployment.load(line for customer in customers for line in three_rewards(customer))
    await deployment.execute(
        "alter table accounts add constraint unlucky check (customer_id <> 413 or facts::json -> 3 -> 0 is null)"
    )
    deployment.request(leave_record(customer) for customer in customers)
    deployment.catch_up()
    (dead,) = deployment.consume("dead-letters")
    assert (dead.key, dead.header("dlq_reason")) == (b"413", "refused_by_database")
    left = {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in customers if customer != 413}
    assert first_answers(deployment.consume()) == left


async def test_a_batch_that_is_too_much_for_one_transaction_is_decided_in_smaller_ones(deployment: Deployment) -> None:
    await deployment.execute("""
        create function at_most_three() returns trigger language plpgsql as $$ begin
            if (select count(*) from fresh) > 3 then
                raise exception 'canceling statement due to statement timeout' using errcode = 'query_canceled';
            end if;
            return null;
        end $$;
        create trigger at_most_three after insert on accounts referencing new table as fresh
            for each statement execute function at_most_three();
    """)
    deployment.request(NewRecord(**{**vars(leave_record(customer)), "partition": 1}) for customer in range(601, 621))
    deployment.catch_up()
    assert first_answers(deployment.consume()) == {
        f"leave-{n}": ["unenroll.UnenrollRejected.v1"] for n in range(601, 621)
    }


@pytest.mark.parametrize("state", ["deadlock_detected", "serialization_failure", "admin_shutdown", "disk_full"])
async def test_a_batch_is_tried_again_whole_after_an_outage(deployment: Deployment, state: str) -> None:
    await deployment.execute(f"""
        create sequence tries;
        create function away_at_first() returns trigger language plpgsql as $$ begin
            if nextval('tries') <= 3 then
                raise exception 'away' using errcode = '{state}';
            end if;
            return null;
        end $$;
        create trigger away_at_first after insert on accounts for each statement execute function away_at_first();
    """)
    deployment.request(NewRecord(**{**vars(leave_record(customer)), "partition": 1}) for customer in range(601, 621))
    result = deployment.catch_up()
    assert first_answers(deployment.consume()) == {
        f"leave-{n}": ["unenroll.UnenrollRejected.v1"] for n in range(601, 621)
    }
    batches = [json.loads(line) for line in result.splitlines() if '"event": "batch_published"' in line]
    assert [batch["records"] for batch in batches] == [20], result


def test_the_same_request_at_two_offsets_has_one_answer(deployment: Deployment) -> None:
    deployment.load(three_rewards(501))
    deployment.request([leave_record(501), leave_record(501)])
    deployment.catch_up()
    deployment.request([leave_record(501)])
    deployment.request([NewRecord(**{**vars(leave_record(501)), "partition": number}) for number in range(4)])
    deployment.catch_up()
    assert first_answers(deployment.consume()) == {"leave-501": ["unenroll.UserUnenrolled.v1"]}


def test_the_same_id_with_another_content_is_a_dead_letter(deployment: Deployment) -> None:
    deployment.load(three_rewards(502))
    deployment.request([leave_record(502), leave_record(502, reason="changed my mind")])
    deployment.catch_up()
    assert first_answers(deployment.consume()) == {"leave-502": ["unenroll.UserUnenrolled.v1"]}
    (dead,) = deployment.consume("dead-letters")
    assert dead.header("dlq_reason") == "id_conflict"
    assert json.loads(dead.value or b"")["reason"] == "changed my mind"


def test_a_dead_letter_that_is_read_again_is_not_buried_twice(deployment: Deployment) -> None:
    deployment.request(
        [NewRecord(key=b"7", value=b"{", headers=HEADERS), NewRecord(key=b"7", value=b"{", headers=HEADERS)]
    )
    deployment.catch_up()
    deployment.reset_offsets()
    deployment.catch_up()
    assert len(deployment.consume("dead-letters")) == 1


async def test_a_record_with_a_header_name_that_is_not_utf_8_does_not_hold_up_its_partition(
    deployment: Deployment,
) -> None:
    topic = f"{deployment.prefix}requests"
    for partition, values in enumerate([[b"odd", b"a", b"b"], [b"a", b"odd", b"b"], [b"a", b"b", b"odd"]]):
        await produce_with_invalid_header(deployment.kafka, topic, values, odd=b"odd", partition=partition)
    deployment.request(NewRecord(**{**vars(leave_record(7)), "partition": partition}) for partition in range(3))
    deployment.catch_up()
    found = [(record.value, record.header("dlq_detail")) for record in deployment.consume("dead-letters")]
    assert {value for value, _ in found} == {b"a", b"b", b"odd"}
    assert [detail for value, detail in found if value == b"odd"] == [
        "headers: a name is not UTF-8; all of them are left out"
    ]
    assert first_answers(deployment.consume()) == {"leave-7": ["unenroll.UnenrollRejected.v1"]}


def test_a_worker_warns_where_a_topic_takes_such_a_batch(deployment: Deployment) -> None:
    assert "compressed_batches_unbounded" not in deployment.catch_up()
    deployment.configure("facts", "compression.type", "producer")
    assert f'"topics": ["{deployment.prefix}facts"]' in deployment.catch_up()
