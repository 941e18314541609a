"""The installed aiokafka has the private attributes that we use, and they do what we use them for."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import ConcurrentTransactions, GroupAuthorizationFailedError, TopicAuthorizationFailedError
from aiokafka.producer.sender import AddPartitionsToTxnHandler
from aiokafka.protocol.transaction import AddPartitionsToTxnResponse_v0

import unenroll
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.aiokafka_internals import (
    AddPartitionsHandler,
    begin_transactions_sooner,
    call_on_commit_request,
    client_of,
    fetch_all_partitions_together,
    raise_group_error,
    raise_transaction_error,
    read_credentials_on_connect,
)
from unenroll.kafka.topics import make_topics
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import KafkaSettings

NOWHERE = "127.0.0.1:1"
BROKER = 0
FACTS = TopicPartition("facts", 0)


def test_no_other_module_uses_them() -> None:
    exempt = [
        f"{path.name}: {line.strip()}"
        for path in Path(unenroll.__file__).parent.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "SLF001" in line and "librdkafka" not in line.lower() and "sys._current_frames" not in line
    ]
    assert exempt == []


async def test_each_kind_of_client_has_its_network_client() -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=NOWHERE)
    producer = AIOKafkaProducer(bootstrap_servers=NOWHERE)
    admin = AIOKafkaAdminClient(bootstrap_servers=NOWHERE)
    assert [type(client_of(owner)) for owner in (consumer, producer, admin)] == [AIOKafkaClient] * 3
    await consumer.stop()
    await producer.stop()


class Connection:
    """A connection to a broker, which may be closed."""

    def __init__(self, user: str, password: str) -> None:
        self.login = (user, password)
        self.is_open = True

    def connected(self) -> bool:
        return self.is_open


async def test_credentials_are_read_before_each_connection_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_: Any, sasl_plain_username: str, sasl_plain_password: str, **__: Any) -> Connection:  # noqa: ANN401
        return Connection(sasl_plain_username, sasl_plain_password)

    monkeypatch.setattr("aiokafka.client.create_conn", connect)
    client = AIOKafkaClient(bootstrap_servers=NOWHERE, sasl_plain_username="worker", sasl_plain_password="old")  # noqa: S106
    monkeypatch.setattr(client.cluster, "broker_metadata", lambda _: SimpleNamespace(host="127.0.0.1", port=1))
    passwords = iter(["first", None, "third"])

    def read() -> tuple[str, str] | None:
        password = next(passwords)
        return None if password is None else ("worker", password)

    read_credentials_on_connect(client, read)
    logins = []
    for _ in range(3):
        connection = await client._get_conn(BROKER)
        assert await client._get_conn(BROKER) is connection
        logins.append(connection.login)
        connection.is_open = False
    assert logins == [("worker", "first"), ("worker", "first"), ("worker", "third")]


@pytest.fixture
async def consumer(servers: ServerAddresses, prefix: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that has started, in a group of its own."""
    started = AIOKafkaConsumer(bootstrap_servers=servers.kafka, group_id=f"{prefix}group")
    await started.start()
    yield started
    await started.stop()


async def test_the_coordinator_keeps_the_error_of_the_group(consumer: AIOKafkaConsumer) -> None:
    raise_group_error(consumer)
    consumer._coordinator._pending_exception = GroupAuthorizationFailedError("group")
    with pytest.raises(GroupAuthorizationFailedError):
        raise_group_error(consumer)


async def test_the_fetcher_waits_before_it_fetches_some_partitions_alone(consumer: AIOKafkaConsumer) -> None:
    assert consumer._fetcher._prefetch_backoff == 0.1
    fetch_all_partitions_together(consumer)
    assert consumer._fetcher._prefetch_backoff == 3600


async def test_a_broken_transaction_keeps_its_first_error() -> None:
    producer = AIOKafkaProducer(bootstrap_servers=NOWHERE, transactional_id="lane")
    manager = producer._txn_manager
    manager.set_pid_and_epoch(1, 0)
    manager.begin_transaction()
    raise_transaction_error(producer)
    manager.error_transaction(TopicAuthorizationFailedError("facts"))
    with pytest.raises(TopicAuthorizationFailedError):
        raise_transaction_error(producer)
    await producer.stop()


@pytest.fixture
async def producer(servers: ServerAddresses, prefix: str) -> AsyncIterator[AIOKafkaProducer]:
    """A transactional producer that has not started, and a topic for it."""
    await make_topics(
        KafkaAdmin(KafkaSettings(kafka_bootstrap_servers=servers.kafka)), prefix, partitions=1, replication=1
    )
    made = AIOKafkaProducer(bootstrap_servers=servers.kafka, transactional_id=f"{prefix}lane")
    yield made
    await made.stop()


async def test_each_commit_is_one_request_of_the_network_client(producer: AIOKafkaProducer, prefix: str) -> None:
    calls: list[None] = []
    call_on_commit_request(producer, lambda: calls.append(None))
    await producer.start()
    for commits in (1, 2):
        await producer.begin_transaction()
        await producer.send_and_wait(f"{prefix}facts", b"a")
        await producer.commit_transaction()
        assert len(calls) == commits


class Sender:
    """What a request handler needs of the sender: a transaction without partitions."""

    _retry_backoff = 0.1
    _txn_manager = SimpleNamespace(txn_partitions=frozenset())


def test_a_transaction_that_follows_another_is_retried_after_3_ms() -> None:
    busy = AddPartitionsToTxnResponse_v0(throttle_time_ms=0, errors=[("facts", [(0, ConcurrentTransactions.errno)])])
    assert AddPartitionsToTxnHandler(Sender(), [FACTS]).handle_response(busy) == 0.02
    assert AddPartitionsHandler(Sender(), [FACTS]).handle_response(busy) == 0.003


async def test_the_sender_begins_a_transaction_with_our_handler(
    producer: AIOKafkaProducer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses = []
    handle = AddPartitionsHandler.handle_response

    def note(handler: AddPartitionsHandler, response: Any) -> float | None:  # noqa: ANN401
        responses.append(response)
        return handle(handler, response)

    monkeypatch.setattr(AddPartitionsHandler, "handle_response", note)
    begin_transactions_sooner(producer)
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(f"{prefix}facts", b"a")
    await producer.commit_transaction()
    assert responses
