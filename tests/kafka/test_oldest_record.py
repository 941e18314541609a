"""The oldest records of many partitions are read at once."""

import json
from pathlib import Path
from time import monotonic

import pytest

from support.events import enrolled, leaves
from support.place import Place, made
from support.topics import Put, put_at
from support.workers import run
from unenroll.kafka.admin import KafkaAdmin, partitions_of
from unenroll.kafka.range_reader import oldest_records
from unenroll.kafka.topics import INPUTS, existing_topics
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import WorkerSettings

_MOST_SECONDS = 2.0  # by default the client waits 1 s after each of the 8 partitions


async def test_the_oldest_records_of_eight_partitions_take_less_than_two_seconds(
    servers: ServerAddresses, database_url: str, prefix: str
) -> None:
    place = await made(Place(kafka=servers.kafka, database_url=database_url, prefix=prefix, folder=Path()))
    for number in range(4):
        place.request([Put(**{**vars(leaves(number)), "partition": number})] * 500)
        place.put("facts", [Put(value=enrolled(number).encode(), partition=number)] * 500)
    settings = WorkerSettings(
        kafka_bootstrap_servers=place.kafka, database_url=database_url, topic_prefix=prefix, group_id=place.group_id
    )
    topics = await existing_topics(KafkaAdmin(settings), (prefix + word for word in INPUTS))
    places = partitions_of(topics.values())
    began = monotonic()
    found = await oldest_records(settings, dict.fromkeys(places, 0))
    assert set(found) == set(places)
    assert monotonic() - began < _MOST_SECONDS


@pytest.mark.parametrize("milliseconds", [-1, -5, 1_790_000_000_000_000, 253_402_300_800_000])
async def test_a_timestamp_that_is_no_time_is_not_known(
    servers: ServerAddresses, database_url: str, prefix: str, milliseconds: int
) -> None:
    place = await made(Place(kafka=servers.kafka, database_url=database_url, prefix=prefix, folder=Path()))
    place.configure("requests", "message.timestamp.after.max.ms", str(2**63 - 1))
    await put_at(place.kafka, f"{prefix}requests", leaves(1), milliseconds=milliseconds)
    shown = json.loads(run("status", "--json", environment=place.environment))
    (behind,) = [one for one in shown["partitions"] if one["lag"]]
    assert (behind["oldest"], behind["age_seconds"]) == (None, None)
    place.catch_up()
    replayed = json.loads(run("replay", "--from-topics", "--json", environment=place.environment))
    assert (replayed["read"], replayed["decided_before"]) == (1, 1)


async def test_an_instant_before_1970_means_the_first_record(
    servers: ServerAddresses, database_url: str, prefix: str
) -> None:
    place = await made(Place(kafka=servers.kafka, database_url=database_url, prefix=prefix, folder=Path()))
    place.request([Put(**{**vars(leaves(1)), "partition": 0})])
    place.catch_up()
    reset = ("offsets", "set", "--to", "1969-12-31T23:59:59.999Z", "--dry-run", "--json", "--by", "A", "--why", "B")
    changes = json.loads(run(*reset, environment=place.environment))["partitions"]
    assert {one["offset"] for one in changes} == {0}
    since = ("replay", "--from-topics", "--since", "1969-12-31T23:59:59.999Z", "--json")
    assert json.loads(run(*since, environment=place.environment))["read"] == 1
