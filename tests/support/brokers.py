"""An Apache Kafka of three brokers, each of which can be killed."""

import asyncio
import os
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from os import pathsep
from pathlib import Path
from signal import SIGKILL, SIGTERM
from uuid import uuid4

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined] # exported, but not said to be
    AdminClient,
    NewTopic,
)

from chaos.killable_servers import KillableServer, killable_kafka
from support.deployment import wait_for_result
from unenroll.sandbox.environment import LOOPBACK, cache_folder, free_ports
from unenroll.sandbox.jars import cached_jars, locked_jars
from unenroll.sandbox.kafka import CONFIG, JAVA_OPTIONS, java
from unenroll.sandbox.process import ServerProcess, ServerProgram, run_to_end, run_together, start

_NUMBERS = (1, 2, 3)
_LITTLE_MEMORY = "-Xmx256m"  # of several, Java takes the last
_READY_SECONDS = 30.0
_ASK_SECONDS = 10.0
_PROPERTIES = """\
process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{address},CONTROLLER://{voter}
log.dirs=log
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=3
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
log.cleaner.dedupe.buffer.size=16777216
"""


@dataclass(frozen=True, kw_only=True)
class Brokers:
    """Three brokers by number."""

    by_number: Mapping[int, KillableServer]

    @property
    def addresses(self) -> str:
        """All brokers, as bootstrap servers."""
        return ",".join(broker.address for broker in self.by_number.values())

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.addresses, "log_level": 0})

    def coordinator(self) -> int:
        """The number of the broker that coordinates all transactions."""
        settings = {"bootstrap.servers": self.addresses, "log_level": 0, "transactional.id": "the first ever"}
        Producer(settings).init_transactions(_READY_SECONDS)
        found = self.admin().list_topics(timeout=_ASK_SECONDS).topics["__transaction_state"]
        return int(found.partitions[0].leader)

    def make_led(self, names: Iterable[str], *, by: int) -> None:
        """Create topics whose partitions this broker leads."""
        replicas = [by, *(number for number in self.by_number if number != by)]
        topics = [NewTopic(name, 4, replica_assignment=[replicas] * 4) for name in names]
        wait_for_result(self.admin().create_topics, topics)


@dataclass(frozen=True, kw_only=True)
class _Node:
    number: int
    folder: Path
    address: str
    command: tuple[str, ...]

    def program(self, *arguments: str) -> ServerProgram:
        command = (*self.command, *arguments)
        return ServerProgram(
            name="Kafka", command=command, folder=self.folder, stop_signal=SIGTERM, address=self.address
        )


@asynccontextmanager
async def three_brokers(folder: Path) -> AsyncIterator[Brokers]:
    """Run three brokers of one cluster until the end of the block."""
    jars = await cached_jars(locked_jars(), cache_folder(os.environ), say=print)
    command = (java(), *JAVA_OPTIONS, _LITTLE_MEMORY, "-cp", pathsep.join(map(str, jars)))
    nodes = _nodes(folder, command)
    cluster = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
    await run_together(
        run_to_end(node.program("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config", CONFIG))
        for node in nodes
    )
    async with AsyncExitStack() as stack:
        servers = await run_together(_started(node) for node in nodes)
        killable = [await stack.enter_async_context(killable_kafka(server)) for server in servers]
        yield Brokers(by_number=dict(zip(_NUMBERS, killable, strict=True)))
        for one in killable:
            if not one.server.has_ended:
                await one.kill(SIGKILL)  # an orderly stop would wait for the killed ones


def _nodes(folder: Path, command: tuple[str, ...]) -> list[_Node]:
    addresses = [f"{LOOPBACK}:{port}" for port in free_ports(2 * len(_NUMBERS))]
    controllers = dict(zip(_NUMBERS, addresses, strict=False))
    voters = ",".join(f"{number}@{voter}" for number, voter in controllers.items())
    nodes = [
        _Node(number=number, folder=folder / str(number), address=address, command=command)
        for number, address in zip(_NUMBERS, addresses[len(_NUMBERS) :], strict=True)
    ]
    for node in nodes:
        node.folder.mkdir()
        text = _PROPERTIES.format(
            number=node.number, voters=voters, address=node.address, voter=controllers[node.number]
        )
        (node.folder / CONFIG).write_text(text, encoding="utf-8")
    return nodes


async def _started(node: _Node) -> ServerProcess:
    client = AdminClient({"bootstrap.servers": node.address, "reconnect.backoff.max.ms": 100, "log_level": 0})
    return await start(node.program("kafka.Kafka", CONFIG), answers=lambda: asyncio.to_thread(_knows_all, client))


def _knows_all(client: AdminClient) -> bool:
    try:
        return len(client.list_topics(timeout=1).brokers) == len(_NUMBERS)
    except KafkaException:
        return False
