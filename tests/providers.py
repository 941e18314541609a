"""Where the tests get a Kafka and a Postgres from: servers that are named, containers, embedded ones."""

import gc
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from time import monotonic

from docker.errors import DockerException  # type: ignore[import-untyped]  # it carries no types
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from unenroll.errors import OutageError
from unenroll.kafka.consumer_group import group_coordinator
from unenroll.sandbox import servers
from unenroll.sandbox.environment import free_ports
from unenroll.sandbox.process import Say
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import WorkerSettings

KAFKA_IMAGE = "apache/kafka:4.4.0"
POSTGRES_IMAGE = "postgres:18"
_COORDINATOR_SECONDS = 60.0


@asynccontextmanager
async def server_providers(environment: Mapping[str, str], *, say: Say) -> AsyncIterator[ServerAddresses]:
    """The chain of the program, with containers before the embedded pair where a container engine answers."""
    if servers.configured_servers(environment) is None and _engine_answers():
        with _containers() as pair:
            yield pair
        return
    async with servers.provide_servers(environment, say=say) as pair:
        yield pair


async def wait_for_coordinator(kafka: str) -> None:
    """Wait until the cluster has a coordinator for groups. A new one makes it when it is asked for one first."""
    settings = WorkerSettings.model_construct(kafka_bootstrap_servers=kafka)
    deadline = monotonic() + _COORDINATOR_SECONDS
    while True:
        try:
            await group_coordinator(settings, lambda coordinator: coordinator.owners())
        except OutageError:
            if monotonic() > deadline:
                raise
        else:
            return


def _engine_answers() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the client leaves a socket open where no engine is
        try:
            return bool(DockerClient().client.ping())
        except DockerException:
            return False
        finally:
            gc.collect()


@contextmanager
def _containers() -> Iterator[ServerAddresses]:
    with _kafka() as kafka, PostgresContainer(POSTGRES_IMAGE, driver=None) as postgres:
        yield ServerAddresses(kafka=kafka, database_url=postgres.get_connection_url())


@contextmanager
def _kafka() -> Iterator[str]:
    (port,) = free_ports(1)
    address = f"{DockerClient().host()}:{port}"
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
    container.with_envs(
        KAFKA_NODE_ID="1",
        KAFKA_PROCESS_ROLES="broker,controller",
        KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
        KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
        KAFKA_LISTENERS="PLAINTEXT://:9092,CONTROLLER://:9093",
        KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://{address}",
        KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
        KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
        KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
        KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
        KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
        KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR="1",
        KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR="1",
    )
    with container.waiting_for(LogMessageWaitStrategy("Kafka Server started")):
        yield address
