"""One bad record never holds up the others, and none is lost."""

import hashlib
import json

import pytest

from support.events import leaves, three_rewards
from support.place import Place, answers
from support.topics import Put, put_with_odd_headers

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
HEADERS = leaves(7).headers


def test_a_poison_record_is_dead_lettered_and_those_around_it_are_answered(place: Place) -> None:
    """Partition 0 begins with one, partition 1 has one in the middle, partition 2 ends with one, 3 has nothing else."""
    customers = range(301, 331)
    place.load(line for customer in customers for line in three_rewards(customer))
    for partition, poisoned in enumerate((0, 5, 10)):
        requests = [Put(**{**vars(leaves(customer)), "partition": partition}) for customer in customers[partition::3]]
        requests.insert(poisoned, Put(key=b"7", value=b"{ %d" % partition, headers=HEADERS, partition=partition))
        place.request(requests)
    place.request(Put(key=b"7", value=b"{ %d" % number, headers=HEADERS, partition=3) for number in range(3, 9))
    place.catch_up()
    assert answers(place.seen()) == {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in customers}
    dead = [(one.value, one.header("dlq_reason"), one.header("dlq_partition")) for one in place.seen("dead-letters")]
    assert sorted(dead) == [(b"{ %d" % number, "not_json", str(min(number, 3))) for number in range(9)]


def test_every_kind_of_malformed_record_becomes_a_dead_letter_with_its_reason(place: Place) -> None:
    odd = [
        Put(key=b"7", value=value, headers=[*HEADERS, ("kind", kind.encode())]) for kind, (value, _) in POISON.items()
    ]
    place.request([*odd, leaves(7)])
    place.catch_up()
    found = {record.header("kind"): record for record in place.seen("dead-letters")}
    assert {kind: record.header("dlq_reason") for kind, record in found.items()} == {
        kind: reason for kind, (_, reason) in POISON.items()
    }
    assert {kind: record.value for kind, record in found.items()} == {
        kind: value for kind, (value, _) in POISON.items()
    }
    assert answers(place.seen()) == {"leave-7": ["unenroll.UnenrollRejected.v1"]}


def test_a_value_as_large_as_the_topic_allows_comes_back_whole(place: Place) -> None:
    value = b"x" * (1_048_588 - 2_000)
    place.request([Put(key=b"7", value=value, headers=HEADERS), leaves(7)])
    place.catch_up()
    (dead,) = place.seen("dead-letters")
    assert dead.value == value
    assert answers(place.seen()) == {"leave-7": ["unenroll.UnenrollRejected.v1"]}


def test_what_does_not_fit_the_dead_letters_goes_without_its_value(place: Place) -> None:
    place.limit("dead-letters", 10_000)
    value = b"x" * 100_000
    place.request([Put(key=b"7", value=value, headers=HEADERS), leaves(7)])
    place.catch_up()
    (dead,) = place.seen("dead-letters")
    assert not dead.value
    assert dead.header("dlq_size") == "100000"
    assert dead.header("dlq_sha256") == hashlib.sha256(value).hexdigest()
    assert answers(place.seen()) == {"leave-7": ["unenroll.UnenrollRejected.v1"]}


async def test_a_record_that_the_database_refuses_is_found_and_dead_lettered_alone(place: Place) -> None:
    customers = range(401, 431)
    place.load(line for customer in customers for line in three_rewards(customer))
    await place.execute(
        "alter table accounts add constraint unlucky check (customer_id <> 413 or facts::json -> 3 -> 0 is null)"
    )
    place.request(leaves(customer) for customer in customers)
    place.catch_up()
    (dead,) = place.seen("dead-letters")
    assert (dead.key, dead.header("dlq_reason")) == (b"413", "refused_by_database")
    left = {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in customers if customer != 413}
    assert answers(place.seen()) == left


async def test_a_batch_that_is_too_much_for_one_transaction_is_decided_in_smaller_ones(place: Place) -> None:
    await place.execute("""
        create function at_most_three() returns trigger language plpgsql as $$ begin
            if (select count(*) from fresh) > 3 then
                raise exception 'canceling statement due to statement timeout' using errcode = 'query_canceled';
            end if;
            return null;
        end $$;
        create trigger at_most_three after insert on accounts referencing new table as fresh
            for each statement execute function at_most_three();
    """)
    place.request(Put(**{**vars(leaves(customer)), "partition": 1}) for customer in range(601, 621))
    place.catch_up()
    assert answers(place.seen()) == {f"leave-{n}": ["unenroll.UnenrollRejected.v1"] for n in range(601, 621)}


@pytest.mark.parametrize("state", ["deadlock_detected", "serialization_failure", "admin_shutdown", "disk_full"])
async def test_a_batch_is_tried_again_whole_after_an_outage(place: Place, state: str) -> None:
    await place.execute(f"""
        create sequence tries;
        create function away_at_first() returns trigger language plpgsql as $$ begin
            if nextval('tries') <= 3 then
                raise exception 'away' using errcode = '{state}';
            end if;
            return null;
        end $$;
        create trigger away_at_first after insert on accounts for each statement execute function away_at_first();
    """)
    place.request(Put(**{**vars(leaves(customer)), "partition": 1}) for customer in range(601, 621))
    said = place.catch_up()
    assert answers(place.seen()) == {f"leave-{n}": ["unenroll.UnenrollRejected.v1"] for n in range(601, 621)}
    batches = [json.loads(line) for line in said.splitlines() if '"event": "batch_published"' in line]
    assert [batch["records"] for batch in batches] == [20], said


def test_the_same_request_at_two_offsets_has_one_answer(place: Place) -> None:
    place.load(three_rewards(501))
    place.request([leaves(501), leaves(501)])
    place.catch_up()
    place.request([leaves(501)])
    place.request([Put(**{**vars(leaves(501)), "partition": number}) for number in range(4)])
    place.catch_up()
    assert answers(place.seen()) == {"leave-501": ["unenroll.UserUnenrolled.v1"]}


def test_the_same_id_with_another_content_is_a_dead_letter(place: Place) -> None:
    place.load(three_rewards(502))
    place.request([leaves(502), leaves(502, reason="changed my mind")])
    place.catch_up()
    assert answers(place.seen()) == {"leave-502": ["unenroll.UserUnenrolled.v1"]}
    (dead,) = place.seen("dead-letters")
    assert dead.header("dlq_reason") == "id_conflict"
    assert json.loads(dead.value or b"")["reason"] == "changed my mind"


def test_a_dead_letter_that_is_read_again_is_not_buried_twice(place: Place) -> None:
    place.request([Put(key=b"7", value=b"{", headers=HEADERS), Put(key=b"7", value=b"{", headers=HEADERS)])
    place.catch_up()
    place.forget_offsets()
    place.catch_up()
    assert len(place.seen("dead-letters")) == 1


async def test_a_record_with_a_header_name_that_is_not_utf_8_does_not_hold_up_its_partition(place: Place) -> None:
    topic = f"{place.prefix}requests"
    for partition, values in enumerate([[b"odd", b"a", b"b"], [b"a", b"odd", b"b"], [b"a", b"b", b"odd"]]):
        await put_with_odd_headers(place.kafka, topic, values, odd=b"odd", partition=partition)
    place.request(Put(**{**vars(leaves(7)), "partition": partition}) for partition in range(3))
    place.catch_up()
    found = [(record.value, record.header("dlq_detail")) for record in place.seen("dead-letters")]
    assert {value for value, _ in found} == {b"a", b"b", b"odd"}
    assert [detail for value, detail in found if value == b"odd"] == [
        "headers: a name is not UTF-8; all of them are left out"
    ]
    assert answers(place.seen()) == {"leave-7": ["unenroll.UnenrollRejected.v1"]}


def test_a_worker_warns_where_a_topic_takes_such_a_batch(place: Place) -> None:
    assert "compressed_batches_unbounded" not in place.catch_up()
    place.configure("facts", "compression.type", "producer")
    assert f'"topics": ["{place.prefix}facts"]' in place.catch_up()
