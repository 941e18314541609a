"""Servers that a test kills and starts again on the same data and the same port."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from unenroll.sandbox.postgres import postgres_answers
from unenroll.sandbox.process import ServerProcess, start
from unenroll.sandbox.servers import ServerPair

_ASK_SECONDS = 2
_SKIPPED = "these partitions are likely deleted already and hence can be skipped"


@dataclass(kw_only=True)
class KillableServer:
    """One server. A fault holds the lock `turn` while the server is down."""

    server: ServerProcess
    answers: Callable[[], Awaitable[bool]]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _skipped: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return self.server.program.address

    async def kill(self, by: signal.Signals) -> None:
        """End the server by this signal."""
        os.kill(_inner(self.server), by)
        await self.server.wait()
        self._skipped += self._says_it_skipped()  # the next start truncates the log

    async def start_again(self) -> None:
        """Start the server again, and wait until it answers."""
        self.server = await start(self.server.program, answers=self.answers)

    def skipped_markers(self, prefix: str) -> bool:
        """Whether this Kafka says that it ended a transaction of these topics without its markers.

        A Kafka that was killed may take partitions that have no leader yet for deleted ones, when it comes back: what
        docs/guarantees.md says under "What is not promised".
        """
        return any(prefix in line for line in (*self._skipped, *self._says_it_skipped()))

    def _says_it_skipped(self) -> list[str]:
        with self.server.program.log.open(encoding="utf-8", errors="replace") as log:
            return [line for line in log if _SKIPPED in line]


@dataclass(frozen=True, kw_only=True)
class KillablePair:
    """A Kafka and a Postgres."""

    kafka: KillableServer
    postgres: KillableServer


@asynccontextmanager
async def killable_pair(pair: ServerPair) -> AsyncIterator[KillablePair]:
    """Make the pair killable. The end of the block stops both servers, also those that were started again."""
    async with killable_kafka(pair.kafka) as kafka, killable_postgres(pair.postgres) as postgres:
        yield KillablePair(kafka=kafka, postgres=postgres)


@asynccontextmanager
async def killable_kafka(server: ServerProcess) -> AsyncIterator[KillableServer]:
    """Make this Kafka killable."""
    address = server.program.address
    kafka = KillableServer(server=server, answers=lambda: asyncio.to_thread(_kafka_answers, address))
    try:
        yield kafka
    finally:
        await kafka.server.stop()


@asynccontextmanager
async def killable_postgres(server: ServerProcess) -> AsyncIterator[KillableServer]:
    """Make this Postgres killable."""
    address = server.program.address
    postgres = KillableServer(server=server, answers=lambda: postgres_answers(address))
    try:
        yield postgres
    finally:
        await postgres.server.stop()


def _inner(server: ServerProcess) -> int:
    """The process id of the server itself, a child of its supervisor."""
    supervisor = server._process.pid  # noqa: SLF001 - only a test needs it
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text(encoding="ascii").split()
    return int(children[0])


def _kafka_answers(address: str) -> bool:
    client = AdminClient({"bootstrap.servers": address, "log_level": 0})
    try:
        return bool(client.list_topics(timeout=_ASK_SECONDS).brokers)
    except KafkaException:
        return False
