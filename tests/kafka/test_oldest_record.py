"""The oldest records of many partitions are read at once."""

from pathlib import Path
from time import monotonic

from support.events import enrolled, leaves
from support.place import Place, made
from support.topics import Put
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
