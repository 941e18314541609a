"""There is one idempotent producer, with a limit for its queue and for its time."""

from pathlib import Path

import pytest
from confluent_kafka import KafkaError
from confluent_kafka import Message as Delivered

import unenroll
from unenroll.errors import OutageError, Server
from unenroll.kafka import idempotent_producer
from unenroll.kafka.idempotent_producer import IdempotentProducer, publisher
from unenroll.settings import KafkaSettings
from unenroll.wire.topics import Message

NOBODY = KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1")
MEBIBYTE = 2**20


def test_no_other_module_creates_one() -> None:
    modules = Path(unenroll.__file__).parent.rglob("*.py")
    creators = [path.name for path in modules if "idempotence" in path.read_text(encoding="utf-8")]
    assert creators == ["idempotent_producer.py"]


def test_its_queue_is_limited_and_messages_without_acknowledgement_fail() -> None:
    results: list[KafkaError | None] = []

    def on_delivery(error: KafkaError | None, _: Delivered) -> None:
        results.append(error)

    producer = IdempotentProducer(NOBODY, seconds=0.5)
    big = Message(topic="facts", key=b"1", value=b"x" * MEBIBYTE)
    accepted = [producer.send(big, on_delivery) for _ in range(40)]
    assert 30 <= sum(accepted) <= 32
    assert not accepted[-1]
    assert producer.flush(10)
    assert len(results) == sum(accepted)
    assert all(error is not None for error in results)  # `None in results` would call KafkaError's broken comparison


async def test_a_publisher_raises_an_outage_if_kafka_does_not_acknowledge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotent_producer, "DELIVERY_SECONDS", 0.5)
    async with publisher(NOBODY) as publishing:
        with pytest.raises(OutageError) as outage:
            await publishing.publish(Message(topic="facts", key=b"1", value=b"x"))
    assert outage.value.server is Server.KAFKA
