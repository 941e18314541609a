"""Our topics: which there are, what they are given, and how much they take."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import monotonic

from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined] # exported, but not said to be

from unenroll.errors import OutageError, Server, SetupError
from unenroll.stream.cluster import Cluster, Topic, partitions_of
from unenroll.stream.topic_file import WantedTopics
from unenroll.wire.names import Topic as Word

INPUTS = (Word.FACTS, Word.REQUESTS)
OUTPUTS = (Word.UNENROLLMENTS, Word.REJECTIONS, Word.REWARDS, Word.DEAD_LETTERS)

_READY_SECONDS = 60.0  # each partition costs the brokers some syncs of their disks, and others make topics too
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicReport:
    """What became of a topic: made now or not, and in what it differs from what was asked for."""

    name: str
    made: bool
    differs: tuple[str, ...]


async def make_topics(cluster: Cluster, prefix: str, *, partitions: int, replication: int) -> list[TopicReport]:
    """Make the topics that are missing, with what each needs. Raises OutageError and SetupError."""
    return await make_wanted(cluster, prefix, WantedTopics(partitions=partitions, replication=replication))


async def make_wanted(cluster: Cluster, prefix: str, wanted: WantedTopics) -> list[TopicReport]:
    """Make the topics that are missing, and wait until they can be used. Raises OutageError and SetupError."""
    words = {prefix + word: word for word in Word}
    existing = await cluster.topics(words)
    missing = [name for name in words if name not in existing]
    await cluster.create(
        NewTopic(name, wanted.partitions, wanted.replication, config=dict(wanted.settings.get(words[name], {})))
        for name in missing
    )
    if missing:
        await _until_they_answer(cluster, missing)
    found = await cluster.configuration(existing)
    return [
        TopicReport(
            name=name,
            made=name in missing,
            differs=tuple(_differences(existing[name], found[name], words[name], wanted=wanted))
            if name in existing
            else (),
        )
        for name in words
    ]


async def _until_they_answer(cluster: Cluster, names: list[str]) -> None:
    """A topic is made some moments before its brokers know that they have it."""
    deadline = monotonic() + _READY_SECONDS
    while True:
        try:
            await _ask(cluster, names)
        except OutageError:
            if monotonic() > deadline:
                raise
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            return


async def _ask(cluster: Cluster, names: list[str]) -> None:
    made = await cluster.topics(names)
    if len(made) < len(names):
        raise OutageError("Kafka does not show the topics that it has made", server=Server.KAFKA)
    await cluster.configuration(names)
    await cluster.ends(partitions_of(made.values()))


async def existing_topics(cluster: Cluster, names: Iterable[str]) -> dict[str, Topic]:
    """What Kafka says of these topics, all of which must be there. Raises OutageError and SetupError."""
    wanted = list(names)
    found = await cluster.topics(wanted)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise SetupError(f"Kafka has no topic {', '.join(missing)}; run `unenroll topics`")
    return found


async def check_same(cluster: Cluster, topics: Mapping[str, Topic]) -> None:
    """Raise SetupError if one of the topics was deleted and made again, OutageError if one is not there."""
    now = await cluster.topics(topics)
    for name, topic in topics.items():
        if name not in now:
            raise OutageError(f"Kafka has no topic {name} any more", server=Server.KAFKA)
        if now[name].topic_id != topic.topic_id:
            raise SetupError(
                f"{name} was deleted and made again while this worker ran: start it again, "
                "and it reads the new topic from its first record"
            )


async def limits(cluster: Cluster, prefix: str) -> dict[str, int]:
    """The most bytes that a batch to each of our output topics may have, by the topic's word."""
    found = await batch_limits(cluster, (prefix + word for word in OUTPUTS))
    return {word.value: found[prefix + word] for word in OUTPUTS}


async def batch_limits(cluster: Cluster, names: Iterable[str]) -> dict[str, int]:
    """The most bytes that a batch to each of these topics may have, by its full name."""
    found = await cluster.configuration(names)
    return {name: int(settings["max.message.bytes"]) for name, settings in found.items()}


def _differences(topic: Topic, found: Mapping[str, str], word: Word, *, wanted: WantedTopics) -> Iterable[str]:
    if topic.partitions != wanted.partitions:
        yield f"has {topic.partitions} partitions, not {wanted.partitions}"
    if topic.replication < wanted.replication:
        yield f"has {topic.replication} copies, not {wanted.replication}"
    for name, value in wanted.settings.get(word, {}).items():
        if found.get(name) != value:
            yield f"{name} is {found.get(name)}, not {value}"
