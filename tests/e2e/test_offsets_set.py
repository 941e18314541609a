"""Offsets set by a person: refused while a worker is alive, kept with who and why, and never skipping in silence."""

import json
from typing import Any

import pytest

from support.events import leaves, three_rewards
from support.files import command
from support.place import Place, answers
from support.workers import running
from unenroll.errors import SetupError
from unenroll.kafka.admin import KafkaAdmin, TopicPartitionNumber
from unenroll.settings import KafkaSettings

CUSTOMERS = range(801, 821)
EVERYBODY = {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in CUSTOMERS}
WHY = ("--why", "a test", "--by", "Ada")


def offsets(place: Place, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
    said = command("offsets", *arguments, "--json", environment=place.environment)
    assert said.code == code, said
    return json.loads(said.out) if said.out else said.err


async def committing_by_itself(place: Place) -> None:
    cluster = KafkaAdmin(KafkaSettings(kafka_bootstrap_servers=place.kafka, topic_prefix=place.prefix))
    await cluster.commit(place.group_id, {TopicPartitionNumber(topic=f"{place.prefix}requests", number=0): (0, "")})


def everybody_leaves(place: Place) -> None:
    place.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    place.request(leaves(customer) for customer in CUSTOMERS)
    place.catch_up()


def of_requests(told: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    return [one for one in told["partitions"] if one["topic"].endswith("requests")]


async def test_the_offsets_are_refused_while_a_worker_is_alive(place: Place) -> None:
    everybody_leaves(place)
    with running("run", environment=place.environment) as worker:
        worker.wait_to_say('"lane_opened"')
        assert "has members: unenroll-" in offsets(place, "set", "--to", "earliest", *WHY, code=1)
        with pytest.raises(SetupError, match="has members"):  # also if it came a moment ago
            await committing_by_itself(place)
    assert all(one["goes_on_at"] == one["decided"] for one in of_requests(offsets(place, "show")))


def test_what_is_read_again_changes_nothing_and_who_wanted_it_is_kept(place: Place) -> None:
    everybody_leaves(place)
    before = place.seen()
    assert len(offsets(place, "set", "--to", "earliest", "--dry-run", *WHY)["places"]) == 8
    assert offsets(place, "show")["moves"] == []
    done = offsets(place, "set", "--to", "earliest", "--topic", "requests", *WHY)
    assert [one["offset"] for one in done["places"]] == [0, 0, 0, 0]
    told = offsets(place, "show")
    (move,) = told["moves"]
    assert (move["by"], move["why"], len(move["places"])) == ("Ada", "a test", 4)
    assert move["done_at"] is not None
    assert {one["goes_on_at"] for one in of_requests(told)} == {0}
    assert {one["remark"] for one in of_requests(told)} == {
        "set by hand: what was decided already is read again and changes nothing"
    }
    assert '"duplicate": 20' in merged(place.catch_up())
    assert place.seen() == before


def test_an_instant_is_the_first_record_that_was_written_then_or_later(place: Place) -> None:
    everybody_leaves(place)
    ends = [one["end"] for one in of_requests(offsets(place, "show"))]
    for instant, expected in (("2020-01-01T00:00:00Z", [0, 0, 0, 0]), ("2099-01-01T00:00:00+02:00", ends)):
        done = offsets(place, "set", "--to", instant, "--topic", "requests", "--dry-run", *WHY)
        assert [one["offset"] for one in done["places"]] == expected


def merged(log: str) -> str:
    """How many records of a log's batches were duplicates."""
    batches = [json.loads(line) for line in log.splitlines() if '"batch_published"' in line]
    return f'"duplicate": {sum(batch.get("duplicate", 0) for batch in batches)}'


def test_records_are_left_out_only_where_that_is_meant(place: Place) -> None:
    place.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    place.catch_up()
    place.request(leaves(customer) for customer in CUSTOMERS)
    refused = offsets(place, "set", "--to", "latest", *WHY, code=1)
    assert "would leave out offsets that nobody has decided" in refused
    done = offsets(place, "set", "--to", "latest", "--skip", *WHY)
    assert sum(one["skipped"] for one in done["places"]) == len(CUSTOMERS)
    place.request([leaves(999)])
    place.catch_up()
    assert answers(place.seen()) == {"leave-999": ["unenroll.UnenrollRejected.v1"]}


def test_a_worker_that_stopped_for_lost_records_goes_on_once_somebody_says_where(place: Place) -> None:
    everybody_leaves(place)
    place.request(leaves(customer, event_id=f"again-{customer}") for customer in CUSTOMERS)
    place.delete_records()
    stopped = [one for one in of_requests(offsets(place, "show")) if one["refused"]]
    assert all("records are lost" in one["refused"] for one in stopped)
    for one in stopped:
        where = ("--topic", "requests", "--partition", str(one["partition"]))
        offsets(place, "set", "--to", str(one["first"]), *where, "--skip", *WHY)
    assert stopped
    place.request([leaves(999)])
    place.catch_up()
    assert answers(place.seen()) == {**EVERYBODY, "leave-999": ["unenroll.UnenrollRejected.v1"]}


async def test_what_a_killed_worker_had_not_published_is_published_before_the_replay(place: Place) -> None:
    """The row had not learned what was published last: to set offsets tells it, so nothing appears twice."""
    everybody_leaves(place)
    await place.execute("update lanes set published = 0")
    offsets(place, "set", "--to", "earliest", *WHY)
    place.catch_up()
    assert answers(place.seen()) == EVERYBODY


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("set", "--to", "earliest"), "Missing option '--why'"),
        (("set", "--to", "soon", *WHY), "--to soon: must be an instant"),
        (("set", "--to", "17", *WHY), "name it by --topic and --partition"),
        (("set", "--to", "17", "--topic", "requests", "--partition", "0", *WHY), "there is no 17"),
        (("set", "--to", "earliest", "--partition", "99", *WHY), "no partition of the input topics is meant"),
        (("set", "--to", "earliest", "--topic", "rewards", *WHY), "must be one of facts, requests"),
    ],
)
def test_what_is_asked_wrongly_is_said(place: Place, arguments: tuple[str, ...], says: str) -> None:
    said = command("offsets", *arguments, environment=place.environment)
    assert said.code == 2
    assert says in " ".join(said.err.split())
    assert "Traceback" not in said.err
