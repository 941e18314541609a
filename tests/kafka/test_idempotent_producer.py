"""There is one idempotent producer, and what it holds is bounded: by bytes and by time."""

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


def test_no_other_module_makes_one() -> None:
    modules = Path(unenroll.__file__).parent.rglob("*.py")
    makers = [one.name for one in modules if "idempotence" in one.read_text(encoding="utf-8")]
    assert makers == ["idempotent_producer.py"]


def test_it_takes_no_more_than_it_may_hold_and_gives_up_what_does_not_arrive() -> None:
    told: list[KafkaError | None] = []

    def heard(error: KafkaError | None, _: Delivered) -> None:
        told.append(error)

    producer = IdempotentProducer(NOBODY, seconds=0.5)
    big = Message(topic="facts", key=b"1", value=b"x" * MEBIBYTE)
    taken = [producer.send(big, heard) for _ in range(40)]
    assert 30 <= sum(taken) <= 32
    assert not taken[-1]
    assert producer.flush(10)
    assert len(told) == sum(taken)
    assert None not in told


async def test_a_publisher_says_that_an_event_may_not_have_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotent_producer, "DELIVERY_SECONDS", 0.5)
    async with publisher(NOBODY) as publishing:
        with pytest.raises(OutageError) as outage:
            await publishing.publish(Message(topic="facts", key=b"1", value=b"x"))
    assert outage.value.server is Server.KAFKA
