"""Connections that fall silent: no RST, no answer. The worker opens new ones and goes on within 30 s."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest

from chaos.silent_proxy import SilentProxy, silent_proxy
from support.cases import some
from support.databases import cloned_database
from support.deployment import Deployment, deploy, first_answers
from support.events import leave_record, three_rewards
from support.served_pages import SERVE_STATUS, StatusPages
from support.workers import RunningCommand, running_command
from unenroll.sandbox import kafka as sandbox
from unenroll.sandbox.environment import cache_folder, sandbox_folders
from unenroll.sandbox.servers import ServerAddresses
from waiting import until

SECONDS = 30.0
KINDS = {
    "all": (),
    "group": (11, 12, 14),  # JoinGroup, Heartbeat, SyncGroup
    "coordinator": (15,),  # DescribeGroups
    "producer": (22, 24, 26),  # InitProducerId, AddPartitionsToTxn, EndTxn
    "consumers": (1,),  # Fetch: of the lanes and of the definitions
    "admin": (2, 75),  # ListOffsets, DescribeTopicPartitions
}


@pytest.fixture(scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SilentProxy]:
    """A Kafka to which all clients connect through a proxy."""
    folder = tmp_path_factory.mktemp("silent")
    config = folder / "kafka" / sandbox.CONFIG

    def target() -> tuple[str, int]:
        (line,) = [line for line in config.read_text().splitlines() if line.startswith("listeners=")]
        host, _, port = line.split("PLAINTEXT://")[1].split(",")[0].rpartition(":")
        return host, int(port)

    before = sandbox.PROPERTIES
    async with silent_proxy(target) as proxy:
        sandbox.PROPERTIES = f"{before}advertised.listeners=PLAINTEXT://127.0.0.1:{proxy.port}\n"
        try:
            with sandbox_folders(folder, cache=cache_folder(dict(os.environ)), say=lambda _: None) as folders:
                async with sandbox.kafka(folders):
                    yield proxy
        finally:
            sandbox.PROPERTIES = before


@pytest.fixture
async def deployment(
    proxy: SilentProxy, servers: ServerAddresses, template: str, prefix: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    async with cloned_database(servers, template) as url:
        yield await deploy(
            Deployment(kafka=f"127.0.0.1:{proxy.port}", database_url=url, prefix=prefix, folder=tmp_path)
        )


async def decided(deployment: Deployment, customers: range) -> None:
    """Wait until the leaves of these customers are answered."""
    requests = {f"leave-{customer}" for customer in customers}
    await until(
        lambda: asyncio.to_thread(lambda: requests <= first_answers(deployment.consume()).keys()), seconds=2 * SECONDS
    )


@pytest.mark.parametrize("kind", some(list(KINDS), always={"all"}))
async def test_a_worker_goes_on_when_its_connections_to_kafka_fall_silent(
    proxy: SilentProxy, deployment: Deployment, kind: str
) -> None:
    await asyncio.to_thread(deployment.load, [line for customer in range(1, 9) for line in three_rewards(customer)])
    await asyncio.to_thread(deployment.request, map(leave_record, range(1, 5)))
    ours = set(proxy.links)
    with running_command("run", environment={**deployment.environment, **SERVE_STATUS}) as worker:
        await decided(deployment, range(1, 5))
        assert proxy.silence(*KINDS[kind], but=ours), "there was no such connection"
        began = monotonic()
        await asyncio.to_thread(deployment.request, map(leave_record, range(5, 9)))
        await decided(deployment, range(5, 9))
        took = monotonic() - began
        await until(lambda: asyncio.to_thread(lambda: ready(worker)), seconds=2 * SECONDS)
        sys.stdout.write(f"\n{kind}: decided after {took:.1f} s, ready after {monotonic() - began:.1f} s\n")
        assert took < SECONDS, worker.output()


@pytest.mark.thorough
async def test_a_worker_goes_on_when_its_connections_to_postgres_fall_silent(
    servers: ServerAddresses, template: str, prefix: str, tmp_path: Path
) -> None:
    url = urlsplit(servers.database_url)
    async with (
        silent_proxy(lambda: (url.hostname or "", url.port or 0)) as proxy,
        cloned_database(servers, template) as database,
    ):
        direct = await deploy(Deployment(kafka=servers.kafka, database_url=database, prefix=prefix, folder=tmp_path))
        through = database.replace(f"{url.hostname}:{url.port}", f"127.0.0.1:{proxy.port}")
        environment = {**direct.environment, **SERVE_STATUS, "UNENROLL_DATABASE_URL": through}
        await asyncio.to_thread(direct.load, [line for customer in range(1, 9) for line in three_rewards(customer)])
        await asyncio.to_thread(direct.request, map(leave_record, range(1, 5)))
        with running_command("run", environment=environment) as worker:
            await decided(direct, range(1, 5))
            assert proxy.silence_all()
            began = monotonic()
            await asyncio.to_thread(direct.request, map(leave_record, range(5, 9)))
            await decided(direct, range(5, 9))
            took = monotonic() - began
            sys.stdout.write(f"\nPostgres: decided after {took:.1f} s\n")
            assert took < SECONDS, worker.output()


def ready(worker: RunningCommand) -> bool:
    status, _ = StatusPages(command=worker).get("/readyz")
    return status == 200
