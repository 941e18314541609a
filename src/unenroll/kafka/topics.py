"""Our topics: which there are, what they are given, and how much they take."""

import asyncio
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Annotated, Any

from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined] # exported, but not said to be
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unenroll.errors import OutageError, Server, SetupError, UsageError
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, partitions_of
from unenroll.wire.topics import Topic as Word

_INPUT_BYTES = 1_048_588  # Kafka's own default
_ROOM_FOR_DEAD_LETTER_HEADERS = 65_536

NEEDED: Mapping[Word, Mapping[str, str]] = MappingProxyType(
    {
        Word.DEFINITIONS: {"cleanup.policy": "compact"},
        Word.DEAD_LETTERS: {"max.message.bytes": str(_INPUT_BYTES + _ROOM_FOR_DEAD_LETTER_HEADERS)},
    }
)
"""What topics are given if nobody says anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedTopics:
    """How topics are to be: all of them with so many partitions and copies, each with these settings."""

    partitions: int
    replication: int
    settings: Mapping[Word, Mapping[str, str]] = field(default_factory=lambda: NEEDED)


_Settings = dict[str, bool | int | str]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    partitions: Annotated[int, Field(ge=1)]
    replication: Annotated[int, Field(ge=1)]
    settings: _Settings = {}
    topics: Annotated[dict[str, _Settings], Field(default_factory=dict)]


def read_topics(path: Path) -> WantedTopics:
    """What the file wants: of a topic first what is said of all, then what it needs, then what is said of it.

    Raises UsageError that says what is wrong with the file.
    """
    try:
        file = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(f"{path}: {'; '.join(_flaw(flaw) for flaw in error.errors(include_url=False))}") from None
    unknown = file.topics.keys() - {word.value for word in Word}
    if unknown:
        raise UsageError(f"{path}: there is no topic {', '.join(sorted(unknown))}")
    return WantedTopics(
        partitions=file.partitions,
        replication=file.replication,
        settings={word: _of_topic(file, word) for word in Word},
    )


def _of_topic(file: _File, word: Word) -> dict[str, str]:
    said = {**file.settings, **NEEDED.get(word, {}), **file.topics.get(word, {})}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in said.items()}


def _flaw(flaw: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, whose values are of any type
    return f"{'.'.join(str(part) for part in flaw['loc'])}: {flaw['msg']}"


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


async def make_topics(cluster: KafkaAdmin, prefix: str, *, partitions: int, replication: int) -> list[TopicReport]:
    """Make the topics that are missing, with what each needs. Raises OutageError and SetupError."""
    return await make_wanted(cluster, prefix, WantedTopics(partitions=partitions, replication=replication))


async def make_wanted(cluster: KafkaAdmin, prefix: str, wanted: WantedTopics) -> list[TopicReport]:
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


async def _until_they_answer(cluster: KafkaAdmin, names: list[str]) -> None:
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


async def _ask(cluster: KafkaAdmin, names: list[str]) -> None:
    made = await cluster.topics(names)
    if len(made) < len(names):
        raise OutageError("Kafka does not show the topics that it has made", server=Server.KAFKA)
    await cluster.configuration(names)
    await cluster.ends(partitions_of(made.values()))


async def existing_topics(cluster: KafkaAdmin, names: Iterable[str]) -> dict[str, KafkaTopic]:
    """What Kafka says of these topics, all of which must be there. Raises OutageError and SetupError."""
    wanted = list(names)
    found = await cluster.topics(wanted)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise SetupError(f"Kafka has no topic {', '.join(missing)}; run `unenroll topics`")
    return found


async def check_same(cluster: KafkaAdmin, topics: Mapping[str, KafkaTopic]) -> None:
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


async def limits(cluster: KafkaAdmin, prefix: str) -> dict[str, int]:
    """The most bytes that a batch to each of our output topics may have, by the topic's word."""
    found = await batch_limits(cluster, (prefix + word for word in OUTPUTS))
    return {word.value: found[prefix + word] for word in OUTPUTS}


async def batch_limits(cluster: KafkaAdmin, names: Iterable[str]) -> dict[str, int]:
    """The most bytes that a batch to each of these topics may have, by its full name."""
    found = await cluster.configuration(names)
    return {name: int(settings["max.message.bytes"]) for name, settings in found.items()}


def _differences(topic: KafkaTopic, found: Mapping[str, str], word: Word, *, wanted: WantedTopics) -> Iterable[str]:
    if topic.partitions != wanted.partitions:
        yield f"has {topic.partitions} partitions, not {wanted.partitions}"
    if topic.replication < wanted.replication:
        yield f"has {topic.replication} copies, not {wanted.replication}"
    for name, value in wanted.settings.get(word, {}).items():
        if found.get(name) != value:
            yield f"{name} is {found.get(name)}, not {value}"
