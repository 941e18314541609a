"""Every use of a private attribute of aiokafka, for what aiokafka has no public interface.

tests/kafka/test_aiokafka_internals.py checks each of them against the installed version.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.conn import CloseReason
from aiokafka.errors import ConcurrentTransactions, RequestTimedOutError
from aiokafka.producer.sender import AddPartitionsToTxnHandler
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.transaction import EndTxnRequest

_NEVER_SECONDS = 3600.0
_MARKER_SECONDS = 0.003


def client_of(owner: AIOKafkaConsumer | AIOKafkaAdminClient | AIOKafkaProducer) -> AIOKafkaClient:
    """Return the client that holds the connections to the brokers."""
    return owner.client if isinstance(owner, AIOKafkaProducer) else owner._client


def read_credentials_on_connect(client: AIOKafkaClient, read: Callable[[], tuple[str, str] | None]) -> None:
    """Call `read` before the client opens a connection, and log in with the user and password that it returns.

    aiokafka keeps the password of its start: after a change it would fail forever and report nothing. `read` returns
    None to keep the last password.
    """
    get_connection = client._get_conn

    async def get_with_credentials(
        node_id: int,
        *,
        group: ConnectionGroup = ConnectionGroup.DEFAULT,
        **options: Any,  # noqa: ANN401 - aiokafka's own types
    ) -> Any:  # noqa: ANN401 - the same
        connection = client._conns.get((node_id, group))
        if connection is None or not connection.connected():
            credentials = read()
            if credentials is not None:
                client._sasl_plain_username, client._sasl_plain_password = credentials
        return await get_connection(node_id, group=group, **options)

    client._get_conn = get_with_credentials


def give_up_silent_connections(client: AIOKafkaClient, *, seconds: float) -> None:
    """Close a connection that does not answer within `seconds`, unless the request waits for other members.

    aiokafka has one time-out for all requests, and that of JoinGroup has to be longer than a rebalance.
    """
    send = client.send

    async def send_in_time(node_id: int, request: Any, *, group: ConnectionGroup = ConnectionGroup.DEFAULT) -> Any:  # noqa: ANN401 - aiokafka's own types
        if isinstance(request, JoinGroupRequest | SyncGroupRequest):
            return await send(node_id, request, group=group)
        try:
            async with asyncio.timeout(seconds):
                return await send(node_id, request, group=group)
        except TimeoutError as error:
            if (connection := client._conns.get((node_id, group))) is not None:
                connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
            raise RequestTimedOutError from error

    client.send = send_in_time


def raise_group_error(consumer: AIOKafkaConsumer) -> None:
    """Raise the error that keeps the consumer out of its group, if there is one.

    aiokafka raises it only from a poll, and a consumer without partitions does not poll.
    """
    consumer._coordinator.check_errors()


def fetch_all_partitions_together(consumer: AIOKafkaConsumer) -> None:
    """Let the started consumer send its next fetch only after the lane has taken the records of the last one.

    Otherwise aiokafka soon asks for the partitions without records alone. If they stay empty, the request waits at the
    broker for its full time, and the records of the other partitions wait for it.
    """
    consumer._fetcher._prefetch_backoff = _NEVER_SECONDS


def raise_transaction_error(producer: AIOKafkaProducer) -> None:
    """Raise the error that broke the transaction, if there is one.

    After it aiokafka still sends the other records, and raises a later error that does not name the cause.
    """
    transaction_end = producer._txn_manager.wait_for_transaction_end()
    if transaction_end.done():
        transaction_end.result()


def call_on_commit_request(producer: AIOKafkaProducer, call: Callable[[], None]) -> None:
    """Call `call` each time the producer sends EndTxn: aiokafka repeats the request if the answer is lost."""
    client = client_of(producer)
    send = client.send

    async def send_and_call(node_id: int, request: Any, **options: Any) -> Any:  # noqa: ANN401 - aiokafka's own types
        if isinstance(request, EndTxnRequest):
            call()
        return await send(node_id, request, **options)

    client.send = send_and_call


def begin_transactions_sooner(producer: AIOKafkaProducer) -> None:
    """Let the producer use AddPartitionsHandler. No setting changes how long aiokafka waits there."""
    sender = producer._sender

    async def add_partitions(partitions: Any) -> bool:  # noqa: ANN401 - aiokafka's own types
        node_id = await sender._find_coordinator(CoordinationType.TRANSACTION, producer._txn_manager.transactional_id)
        added: bool = await AddPartitionsHandler(sender, partitions).do(node_id)
        return added

    sender._do_add_partitions_to_txn = add_partitions


class AddPartitionsHandler(AddPartitionsToTxnHandler):  # type: ignore[misc] # aiokafka has no types
    """Retries the first request of a transaction after 3 ms if the broker still writes the last one's commit markers.

    aiokafka waits 20 ms for something that mostly takes 3.
    """

    def handle_response(self, response: Any) -> float | None:  # noqa: ANN401 - aiokafka's own types
        """Return after how many seconds to retry, or None if the partitions are added."""
        seconds: float | None = super().handle_response(response)
        is_first = not self._sender._txn_manager.txn_partitions
        codes = {code for _, partitions in response.errors for _, code in partitions}
        return _MARKER_SECONDS if is_first and codes == {ConcurrentTransactions.errno} else seconds
