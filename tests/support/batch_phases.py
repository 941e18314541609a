"""The phases of a batch, and how to be there: the product's own seams, replaced in a process of the test's.

The product carries no fail points. A strike falls once in a process, on the first batch with outputs.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.transaction import EndTxnRequest
from asyncpg import Connection

from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.postgres.lanes import LaneRow, PendingBatch
from unenroll.wire.topics import Message
from unenroll.worker import transaction as step
from unenroll.worker.batch import Batch
from unenroll.worker.transaction import BatchTransaction

Strike = Callable[[], Awaitable[None]]
When = Callable[..., bool]

STRUCK = "struck"
"""What a worker says when it is."""

_with_outputs = ContextVar("_with_outputs", default=False)
"""Whether this lane's batch has outputs. A lane is one task, so each has its own."""

_committing: list[AIOKafkaClient] = []


def replace(owner: type | ModuleType, name: str, *, first: Strike | None, last: Strike | None, when: When) -> None:
    """Let a strike fall where the method would begin, or where it has ended."""
    original = getattr(owner, name)

    async def replaced(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the method takes
        struck = when(*arguments)
        if struck and first:
            await first()
        result = await original(*arguments, **named)
        if struck and last:
            await last()
        return result

    setattr(owner, name, replaced)


def _before(owner: type, name: str) -> Callable[[Strike], None]:
    return lambda strike: replace(owner, name, first=strike, last=None, when=_is_with_outputs)


def _after(owner: type, name: str) -> Callable[[Strike], None]:
    return lambda strike: replace(owner, name, first=None, last=strike, when=_is_with_outputs)


def _is_with_outputs(*_: object) -> bool:
    return _with_outputs.get()


def _fetched(strike: Strike) -> None:
    replace(BatchTransaction, "decide", first=strike, last=None, when=_reads_something)


def _reads_something(_: BatchTransaction, __: object, batch: Batch) -> bool:
    return bool(batch.records)


def _deciding(strike: Strike) -> None:
    replace(step, "move_lane", first=None, last=strike, when=_is_with_outputs)


def _copying(strike: Strike) -> None:
    """Postgres has been promised rows, and waits for them with all locks held."""
    copy = Connection.copy_records_to_table

    async def struck_amid(connection: Connection, table: str, *, records: Iterable[Any], columns: Iterable[str]) -> str:
        async def held_up() -> AsyncIterator[Any]:
            if table == "ledger":
                await strike()
            for record in records:
                yield record

        return await copy(connection, table, records=held_up(), columns=columns)

    Connection.copy_records_to_table = struck_amid  # type: ignore[method-assign, assignment]


def _commit_sent(strike: Strike) -> None:
    """The broker has committed, and its answer is not heard yet."""
    replace(AIOKafkaProducer, "commit_transaction", first=None, last=None, when=_note_who_commits)
    replace(AIOKafkaClient, "send", first=None, last=strike, when=_is_that_commit)


def _note_who_commits(producer: AIOKafkaProducer) -> bool:
    if _with_outputs.get():
        _committing.append(producer.client)
    return False


def _is_that_commit(client: AIOKafkaClient, _: int, request: object) -> bool:
    return client in _committing and isinstance(request, EndTxnRequest)


PHASES: dict[str, Callable[[Strike], None]] = {
    "fetched": _fetched,
    "copying": _copying,
    "deciding": _deciding,
    "decided": _before(LaneProducer, "publish"),
    "begun": _after(AIOKafkaProducer, "begin_transaction"),
    "sent": _before(AIOKafkaProducer, "send_offsets_to_transaction"),
    "offsets sent": _before(AIOKafkaProducer, "commit_transaction"),
    "commit sent": _commit_sent,
    "committed": _after(AIOKafkaProducer, "commit_transaction"),
}


def apply_at(phase: str, strike: Strike) -> None:
    """Let the strike fall when a batch with outputs first reaches the phase."""
    fallen = False

    async def once() -> None:
        nonlocal fallen
        if not fallen:
            fallen = True
            sys.stdout.write(f"{STRUCK}\n")
            sys.stdout.flush()
            await strike()

    PHASES[phase](once)
    replace(step, "move_lane", first=_note_outputs, last=None, when=_publishes)
    replace(LaneProducer, "publish", first=None, last=_note_outputs, when=_sends)  # of who only publishes: the second


def _publishes(_: Connection, __: LaneRow, publication: PendingBatch | None) -> bool:
    return publication is not None


def _sends(_: LaneProducer, messages: Sequence[Message], *__: object) -> bool:
    return bool(messages)


async def _note_outputs() -> None:
    _with_outputs.set(True)
