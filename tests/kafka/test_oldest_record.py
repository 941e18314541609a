"""The oldest record of each partition is found at once, however many partitions have one."""

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

_MOST_SECONDS = 2.0  # the client by itself rests for a second after each partition, and here are eight


async def test_eight_partitions_are_asked_together(servers: ServerAddresses, database_url: str, prefix: str) -> None:
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
