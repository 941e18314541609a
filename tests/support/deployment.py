"""The topics and tables of one test, and what a test does with them."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # exported, but not said to be
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from support.events import ABC
from support.topics import OUTPUTS, ConsumedRecord, NewRecord, consume, produce
from support.workers import run_command, wait_until
from unenroll.core.definitions import TargetGroup
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import INPUTS, make_topics
from unenroll.postgres.definitions import define
from unenroll.postgres.pool import open_pool
from unenroll.settings import KafkaSettings
from unenroll.wire.definitions import read_group
from unenroll.wire.ndjson import publish_line
from unenroll.wire.topics import Message


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Topics with 4 partitions and a database that no other test uses. `replication`: the number of brokers."""

    kafka: str
    database_url: str
    prefix: str
    folder: Path
    replication: int = 1

    @property
    def group_id(self) -> str:
        return f"{self.prefix}group"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "UNENROLL_KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "UNENROLL_DATABASE_URL": self.database_url,
            "UNENROLL_TOPIC_PREFIX": self.prefix,
            "UNENROLL_GROUP_ID": self.group_id,
            "UNENROLL_SESSION_TIMEOUT_MS": "6000",
            "UNENROLL_HTTP_ADDRESS": "",
        }

    def load(self, lines: Iterable[str]) -> None:
        """Load the lines with the real command. None of them may be bad."""
        file = self.folder / "facts.ndjson"
        file.write_text("".join(f"{line}\n" for line in lines))
        run_command("load", str(file), environment=self.environment)

    def request(self, records: Iterable[NewRecord]) -> None:
        """Publish to topic `requests`."""
        self.produce("requests", records)

    def produce(self, word: str, records: Iterable[NewRecord]) -> None:
        """Publish to a topic."""
        produce(self.kafka, self.prefix + word, records)

    def publish(self, lines: Iterable[str]) -> None:
        """Publish lines to the topics that they belong to, the lines of each topic in their order."""
        records: dict[str, list[NewRecord]] = {}
        for line in lines:
            message = publish_line(line.encode())
            assert isinstance(message, Message), message
            record = NewRecord(key=message.key, value=message.value, headers=list(message.headers))
            records.setdefault(message.topic, []).append(record)
        for topic, new_records in records.items():
            produce(self.kafka, self.prefix + topic, new_records)

    def catch_up(self) -> str:
        """Run the real worker until it has processed all records that are in the topics now."""
        return run_command("run", "--until-caught-up", environment=self.environment)

    def reset_offsets(self) -> None:
        """Set the group's committed offsets to 0, as an operator does for a replay."""
        self.commit([TopicPartition(self.prefix + word, number, 0) for word in INPUTS for number in range(4)])

    def commit(self, offsets: list[TopicPartition]) -> None:
        """Commit offsets for the group, while no worker runs."""
        reader = Consumer({"bootstrap.servers": self.kafka, "group.id": self.group_id, "enable.auto.commit": False})
        reader.commit(offsets=offsets, asynchronous=False)
        reader.close()

    def wait_for_lanes(self, *, seconds: float, show: Callable[[], str]) -> None:
        """Wait until the group has committed all that is in its inputs now."""
        reader = Consumer({"bootstrap.servers": self.kafka, "group.id": self.group_id, "enable.auto.commit": False})
        try:
            deployments = [TopicPartition(self.prefix + word, number) for word in INPUTS for number in range(4)]
            ends = [reader.get_watermark_offsets(deployment, timeout=10)[1] for deployment in deployments]

            def committed() -> bool:
                try:
                    found = reader.committed(deployments, timeout=10)
                except KafkaException:  # a young broker is still finding out who coordinates the group
                    return False
                return all(max(deployment.offset, 0) >= end for deployment, end in zip(found, ends, strict=True))

            wait_until(committed, "the lanes", seconds=seconds, show=show)
        finally:
            reader.close()

    def limit(self, word: str, most_bytes: int) -> None:
        """Set the maximum batch size of a topic."""
        self.configure(word, "max.message.bytes", str(most_bytes))

    def configure(self, word: str, name: str, value: str) -> None:
        """Set a configuration value of a topic, and wait until it applies."""
        change = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, self.prefix + word, incremental_configs=[change])
        admin = self._admin()
        wait_for_result(admin.incremental_alter_configs, [resource])

        def applied() -> bool:
            asked = ConfigResource(ResourceType.TOPIC, self.prefix + word)
            (found,) = admin.describe_configs([asked]).values()
            return bool(found.result()[name].value == value)

        wait_until(applied, f"{name} of {word} to be {value}")

    def add_partitions(self, word: str, total: int) -> None:
        """Increase the number of partitions of a topic."""
        wait_for_result(self._admin().create_partitions, [NewPartitions(self.prefix + word, total)])
        self._wait_for_partitions(word, total)

    def delete_group(self) -> None:
        """Delete the group and its offsets, as Kafka does when the group expires."""
        wait_for_result(self._admin().delete_consumer_groups, [self.group_id])

    def delete_records(self) -> None:
        """Delete all requests, as retention does."""
        ends = [TopicPartition(f"{self.prefix}requests", number, OFFSET_END) for number in range(4)]
        wait_for_result(self._admin().delete_records, ends)

    def recreate_topic(self, word: str, *, partitions: int = 4) -> None:
        """Delete a topic with all its records, and create it again."""
        self.delete_topic(word)
        self.create_topic(word, partitions=partitions)

    def delete_topic(self, word: str) -> None:
        """Delete a topic with all its records."""
        wait_for_result(self._admin().delete_topics, [self.prefix + word])
        wait_until(lambda: self.prefix + word not in self._admin().list_topics(timeout=5).topics, "the topic to go")

    def create_topic(self, word: str, *, partitions: int = 4) -> None:
        """Create a topic that was deleted."""
        wait_for_result(self._admin().create_topics, [NewTopic(self.prefix + word, partitions, self.replication)])
        self._wait_for_partitions(word, partitions)

    def _wait_for_partitions(self, word: str, total: int) -> None:
        """Wait until the broker lists the partitions with a leader: the controller creates them a moment earlier."""
        name = self.prefix + word

        def ready() -> bool:
            found = self._admin().list_topics(timeout=5).topics.get(name)
            return found is not None and sum(one.leader >= 0 for one in found.partitions.values()) == total

        wait_until(ready, f"{total} partitions of {name}")

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.kafka})

    def consume(self, *words: str, isolation: str = "read_committed") -> list[ConsumedRecord]:
        """The visible records of the output topics, or of these."""
        return consume(self.kafka, self.prefix, words or OUTPUTS, isolation=isolation)

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """The rows that the query returns."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return [dict(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def execute(self, statement: str) -> None:
        """Run a statement that the product would not run."""
        connection = await asyncpg.connect(self.database_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


async def deploy(deployment: Deployment, *groups: TargetGroup) -> Deployment:
    """Create the topics of the place and define these groups, by default milestone ABC's. The tables exist already."""
    settings = KafkaSettings(kafka_bootstrap_servers=deployment.kafka, topic_prefix=deployment.prefix)
    await make_topics(KafkaAdmin(settings), deployment.prefix, partitions=4, replication=deployment.replication)
    async with open_pool(deployment.database_url) as pool:
        for group in groups or (group_of(ABC),):
            await define(pool, group)
    return deployment


def group_of(data: dict[str, Any]) -> TargetGroup:
    """The target group of this `data` of a definition."""
    group = read_group(data)
    assert isinstance(group, TargetGroup), group
    return group


def wait_for_result(ask: Callable[..., dict[Any, Any]], what: list[Any]) -> None:
    """Call an admin method and wait for all its results. The bound method keeps the client alive meanwhile."""
    for future in ask(what).values():
        future.result()


def first_answers(found: Iterable[ConsumedRecord]) -> dict[str, list[str]]:
    """The types of the first answers that are visible, by request id."""
    answered: dict[str, list[str]] = {}
    for record in found:
        kind = record.header("ce_type")
        if kind in {"unenroll.UserUnenrolled.v1", "unenroll.UnenrollRejected.v1"}:
            answered.setdefault(json.loads(record.value or b"{}")["requestId"], []).append(kind)
    return answered
