"""The oldest records of many partitions are read at once."""

import json
from pathlib import Path
from time import monotonic

import pytest

from support.deployment import Deployment, deploy
from support.events import enrollment_line, leave_record
from support.topics import NewRecord, produce_with_timestamp
from support.workers import run_command
from unenroll.kafka.admin import KafkaAdmin, partitions_of
from unenroll.kafka.range_reader import oldest_records
from unenroll.kafka.topics import INPUTS, existing_topics
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import WorkerSettings

_MOST_SECONDS = 2.0  # by default the client waits 1 s after each of the 8 partitions


async def test_the_oldest_records_of_eight_partitions_take_less_than_two_seconds(
    servers: ServerAddresses, database_url: str, prefix: str
) -> None:
    deployment = await deploy(Deployment(kafka=servers.kafka, database_url=database_url, prefix=prefix, folder=Path()))
    for number in range(4):
        deployment.request([NewRecord(**{**vars(leave_record(number)), "partition": number})] * 500)
        deployment.produce("facts", [NewRecord(value=enrollment_line(number).encode(), partition=number)] * 500)
    settings = WorkerSettings(
        kafka_bootstrap_servers=deployment.kafka,
        database_url=database_url,
        topic_prefix=prefix,
        group_id=deployment.group_id,
    )
    topics = await existing_topics(KafkaAdmin(settings), (prefix + word for word in INPUTS))
    deployments = partitions_of(topics.values())
    began = monotonic()
    found = await oldest_records(settings, dict.fromkeys(deployments, 0))
    assert set(found) == set(deployments)
    assert monotonic() - began < _MOST_SECONDS


@pytest.mark.parametrize("milliseconds", [-1, -5, 1_790_000_000_000_000, 253_402_300_800_000])
async def test_a_timestamp_that_is_no_time_is_not_known(
    servers: ServerAddresses, database_url: str, prefix: str, milliseconds: int
) -> None:
    deployment = await deploy(Deployment(kafka=servers.kafka, database_url=database_url, prefix=prefix, folder=Path()))
    deployment.configure("requests", "message.timestamp.after.max.ms", str(2**63 - 1))
    await produce_with_timestamp(deployment.kafka, f"{prefix}requests", leave_record(1), milliseconds=milliseconds)
    shown = json.loads(run_command("status", "--json", environment=deployment.environment))
    (behind,) = [one for one in shown["partitions"] if one["lag"]]
    assert (behind["oldest"], behind["age_seconds"]) == (None, None)
    deployment.catch_up()
    replayed = json.loads(run_command("replay", "--from-topics", "--json", environment=deployment.environment))
    assert (replayed["read"], replayed["decided_before"]) == (1, 1)


async def test_an_instant_before_1970_means_the_first_record(
    servers: ServerAddresses, database_url: str, prefix: str
) -> None:
    deployment = await deploy(Deployment(kafka=servers.kafka, database_url=database_url, prefix=prefix, folder=Path()))
    deployment.request([NewRecord(**{**vars(leave_record(1)), "partition": 0})])
    deployment.catch_up()
    reset = ("offsets", "set", "--to", "1969-12-31T23:59:59.999Z", "--dry-run", "--json", "--by", "A", "--why", "B")
    changes = json.loads(run_command(*reset, environment=deployment.environment))["partitions"]
    assert {one["offset"] for one in changes} == {0}
    since = ("replay", "--from-topics", "--since", "1969-12-31T23:59:59.999Z", "--json")
    assert json.loads(run_command(*since, environment=deployment.environment))["read"] == 1
