"""The topics of the program: which ones exist, how to create them, and how large their batches may be."""

import asyncio
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Annotated, Any

from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined] # exported, but missing in its type stubs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unenroll.errors import OutageError, Server, SetupError, UsageError
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, partitions_of
from unenroll.wire.topics import Topic

INPUTS = (Topic.FACTS, Topic.REQUESTS)
OUTPUTS = (Topic.UNENROLLMENTS, Topic.REJECTIONS, Topic.REWARDS, Topic.DEAD_LETTERS)

_READY_SECONDS = 60.0  # the brokers sync their disks several times for each partition
_RETRY_SECONDS = 0.05
_INPUT_BYTES = 1_048_588  # Kafka's default of max.message.bytes
_DEAD_LETTER_HEADER_BYTES = 65_536

_UNCOMPRESSED = MappingProxyType({"compression.type": "uncompressed"})
"""Lets the broker refuse a batch whose uncompressed size exceeds max.message.bytes; producers may still compress."""

REQUIRED_SETTINGS: Mapping[Topic, Mapping[str, str]] = MappingProxyType(
    {
        Topic.REQUESTS: _UNCOMPRESSED,
        Topic.FACTS: _UNCOMPRESSED,
        Topic.DEFINITIONS: {"cleanup.policy": "compact", **_UNCOMPRESSED},
        Topic.DEAD_LETTERS: {"max.message.bytes": str(_INPUT_BYTES + _DEAD_LETTER_HEADER_BYTES)},
    }
)
"""The settings that a topic needs, unless the topic file overrides them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicsConfig:
    """The configuration of all topics: partitions, replication factor, and settings by topic."""

    partitions: int
    replication: int
    settings: Mapping[Topic, Mapping[str, str]] = field(default_factory=lambda: REQUIRED_SETTINGS)


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicReport:
    """The result for one topic: whether it was created now, and how an existing one differs from the configuration."""

    name: str
    made: bool
    differs: tuple[str, ...]


_Settings = dict[str, bool | int | str]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    partitions: Annotated[int, Field(ge=1)]
    replication: Annotated[int, Field(ge=1)]
    settings: _Settings = {}
    topics: Annotated[dict[str, _Settings], Field(default_factory=dict)]


def read_topics(path: Path) -> TopicsConfig:
    """Read the topic file. A topic's own settings override the needed ones, which override those of all topics.

    Raises UsageError if the file is wrong.
    """
    try:
        file = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(f"{path}: {'; '.join(map(_message, error.errors(include_url=False)))}") from None
    unknown = file.topics.keys() - {word.value for word in Topic}
    if unknown:
        raise UsageError(f"{path}: there is no topic {', '.join(sorted(unknown))}")
    return TopicsConfig(
        partitions=file.partitions,
        replication=file.replication,
        settings={topic: _settings_of(file, topic) for topic in Topic},
    )


def _settings_of(file: _File, topic: Topic) -> dict[str, str]:
    settings = {**file.settings, **REQUIRED_SETTINGS.get(topic, {}), **file.topics.get(topic, {})}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in settings.items()}


def _message(error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, whose values are of any type
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"


async def make_topics(cluster: KafkaAdmin, prefix: str, *, partitions: int, replication: int) -> list[TopicReport]:
    """Create the missing topics with the settings that they need. Raises OutageError and SetupError."""
    return await create_topics(cluster, prefix, TopicsConfig(partitions=partitions, replication=replication))


async def create_topics(cluster: KafkaAdmin, prefix: str, config: TopicsConfig) -> list[TopicReport]:
    """Create the missing topics and wait until the brokers know them. Raises OutageError and SetupError."""
    topics = {prefix + topic: topic for topic in Topic}
    existing = await cluster.topics(topics)
    missing = [name for name in topics if name not in existing]
    await cluster.create(
        NewTopic(name, config.partitions, config.replication, config=dict(config.settings.get(topics[name], {})))
        for name in missing
    )
    if missing:
        await _wait_until_ready(cluster, missing)
    found = await cluster.configuration(existing)
    return [
        TopicReport(
            name=name,
            made=name in missing,
            differs=tuple(_differences(existing[name], found[name], topics[name], config=config))
            if name in existing
            else (),
        )
        for name in topics
    ]


async def _wait_until_ready(cluster: KafkaAdmin, names: list[str]) -> None:
    """Return when all brokers know the topics, which is some time after the creation."""
    deadline = monotonic() + _READY_SECONDS
    while True:
        try:
            await _check_ready(cluster, names)
        except OutageError:
            if monotonic() > deadline:
                raise
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return


async def _check_ready(cluster: KafkaAdmin, names: list[str]) -> None:
    created = await cluster.topics(names)
    if len(created) < len(names):
        raise OutageError("Kafka does not list the topics that it created", server=Server.KAFKA)
    await cluster.configuration(names)
    await cluster.ends(partitions_of(created.values()))


_NO_IDS = {"AAAAAAAAAAAAAAAAAAAAAA", "None", ""}
"""The id of zeros, by which brokers say that they have no topic ids, and what the client makes of none at all."""


async def existing_topics(cluster: KafkaAdmin, names: Iterable[str]) -> dict[str, KafkaTopic]:
    """Return these topics. Raises SetupError if one of them does not exist, and OutageError."""
    required = list(names)
    found = await cluster.topics(required)
    missing = [name for name in required if name not in found]
    if missing:
        raise SetupError(f"Kafka has no topic {', '.join(missing)}; run `unenroll topics`")
    check_topic_ids(found.values())
    return found


def check_topic_ids(topics: Iterable[KafkaTopic]) -> None:
    """Raise SetupError if a topic has no id: a topic that was deleted and created again would go unnoticed."""
    without = [topic.name for topic in topics if topic.topic_id in _NO_IDS]
    if without:
        raise SetupError(
            f"Kafka gives no topic id for {', '.join(without)}: Unenroll needs brokers that have topic ids"
        )


async def check_not_recreated(cluster: KafkaAdmin, topics: Mapping[str, KafkaTopic]) -> None:
    """Raise SetupError if one of the topics was deleted and recreated, OutageError if one is missing."""
    current = await cluster.topics(topics)
    for name, topic in topics.items():
        if name not in current:
            raise OutageError(f"Kafka has no topic {name} any more", server=Server.KAFKA)
        if current[name].topic_id != topic.topic_id:
            raise SetupError(
                f"{name} was deleted and recreated while this worker ran: restart the worker, "
                "and it reads the new topic from the first record"
            )


async def unbounded_topics(cluster: KafkaAdmin, prefix: str) -> list[str]:
    """Return the topics that the worker reads and where a small compressed batch may hold any number of bytes."""
    found = await cluster.configuration(prefix + topic for topic in (*INPUTS, Topic.DEFINITIONS))
    return [name for name, settings in found.items() if _UNCOMPRESSED.items() - settings.items()]


async def output_limits(cluster: KafkaAdmin, prefix: str) -> dict[str, int]:
    """Return the maximum bytes of a batch to each output topic, by the topic's name without the prefix."""
    found = await batch_limits(cluster, (prefix + topic for topic in OUTPUTS))
    return {topic.value: found[prefix + topic] for topic in OUTPUTS}


async def batch_limits(cluster: KafkaAdmin, names: Iterable[str]) -> dict[str, int]:
    """Return the maximum bytes of a batch to each of these topics, by its full name."""
    found = await cluster.configuration(names)
    return {name: int(settings["max.message.bytes"]) for name, settings in found.items()}


def _differences(
    existing: KafkaTopic, found: Mapping[str, str], topic: Topic, *, config: TopicsConfig
) -> Iterable[str]:
    if existing.partitions != config.partitions:
        yield f"has {_count(existing.partitions, 'partition')}, not {config.partitions}"
    if existing.replication < config.replication:
        yield f"has {_count(existing.replication, 'replica')}, not {config.replication}"
    for name, value in config.settings.get(topic, {}).items():
        if found.get(name) != value:
            yield f"{name} is {found.get(name)}, not {value}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
