"""A broker that has no topic ids is refused: a topic that was recreated would go unnoticed."""

import pytest
from confluent_kafka import Uuid

from unenroll.errors import SetupError
from unenroll.kafka.admin import KafkaTopic
from unenroll.kafka.topics import check_topic_ids


def topic(topic_id: str) -> KafkaTopic:
    return KafkaTopic(name="unenroll.facts", topic_id=topic_id, partitions=4, replication=1)


def test_a_topic_without_an_id_is_refused() -> None:
    with pytest.raises(
        SetupError, match=r"no topic id for unenroll\.facts: Unenroll needs brokers that have topic ids"
    ):
        check_topic_ids([topic(str(Uuid(0, 0)))])


def test_a_topic_with_an_id_is_accepted() -> None:
    check_topic_ids([topic(str(Uuid(1, 2)))])
