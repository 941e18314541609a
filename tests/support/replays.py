"""Replays as a person asks for them, and what stands in the topics to be replayed."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from support.events import leaves, three_rewards
from support.files import Said, command
from support.place import Place
from support.topics import Put, Seen, put
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import make_topics
from unenroll.settings import KafkaSettings

INPUTS = ("facts", "requests")
BROKEN = Put(key=b"7", value=b"{")


def replay(place: Place, *arguments: str, **settings: str) -> Said:
    """The real command."""
    return command("replay", *arguments, environment={**place.environment, **settings})


def replayed(place: Place, *arguments: str) -> dict[str, Any]:
    """What a replay that ends well says of itself."""
    said = replay(place, *arguments, "--json")
    assert said.code == 0, said
    found: dict[str, Any] = json.loads(said.out)
    return found


def everything(place: Place, customers: Iterable[int]) -> None:
    """Facts and requests of these customers, over the topics; a duplicate, a record that cannot be read, a conflict."""
    everybody = list(customers)
    place.tell(timed(line) for customer in everybody for line in three_rewards(customer))
    place.catch_up()  # else a leave may be read before its facts
    first = everybody[0]
    other = leaves(first, at="2026-04-15T00:00:00Z")
    place.request([*map(leaves, everybody), leaves(first), BROKEN, other])


def timed(line: str) -> str:
    """A line for `load` as one for `publish`."""
    told = json.loads(line)
    return json.dumps({"time": "2026-01-01T00:00:00Z", **told})


async def copied(place: Place, records: Mapping[str, Iterable[Seen]]) -> str:
    """Topics of another prefix, with 2 partitions and these records. Returns the prefix."""
    prefix = f"{place.prefix}copy."
    settings = KafkaSettings(kafka_bootstrap_servers=place.kafka, topic_prefix=prefix)
    await make_topics(KafkaAdmin(settings), prefix, partitions=2, replication=1)
    for word, found in records.items():
        put(place.kafka, prefix + word, [Put(key=one.key, value=one.value, headers=list(one.headers)) for one in found])
    return prefix


def lines_of(found: Iterable[Seen]) -> list[str]:
    """The records that can be read, as lines for `publish`."""
    return [_line(one) for one in found if one.header("ce_id")]


def _line(record: Seen) -> str:
    kind = str(record.header("ce_type")).removeprefix("unenroll.").removesuffix(".v1")
    told = {name: record.header(f"ce_{name}") for name in ("source", "id", "time")}
    return json.dumps({"type": kind, **told, "data": record.data})
