"""A worker whose password is changed under it goes on: what its files hold is looked at whenever it connects."""

import asyncio
import json
from collections.abc import Iterator
from signal import SIGTERM

import pytest

from security.fortified import asks, left, publish
from security.test_ways_in import in_file
from support.files import appended_definition
from support.secure_servers import SecureServers
from support.workers import RunningCommand, running_command, wait_until

NEW = "the-next-password"
PASSWORD, URL = "UNENROLL_KAFKA_SASL_PASSWORD", "UNENROLL_DATABASE_URL"


_END = "select pg_terminate_backend(pid) from pg_stat_activity where usename = '{}'"


def leaves_of(stronghold: SecureServers, customers: int, worker: RunningCommand) -> None:
    wait_until(lambda: len(left(stronghold)) == customers or worker.ended, "the leave", show=worker.output)
    assert len(left(stronghold)) == customers, worker.output()


@pytest.fixture
def worker_as_before(stronghold: SecureServers) -> Iterator[None]:
    """Afterwards, the old password is right again."""
    yield
    stronghold.kafka.has_user("worker", stronghold.passwords["worker"])


@pytest.mark.usefixtures("worker_as_before")
@pytest.mark.thorough
async def test_kafkas_password(stronghold: SecureServers) -> None:
    """The user's connections are cut as well, and the old password is worth nothing any more."""
    environment = in_file(stronghold.environment("worker", "worker"), PASSWORD, stronghold.folder)
    with running_command("run", environment=environment) as worker:
        asks(stronghold, 1)
        leaves_of(stronghold, 1, worker)
        stronghold.kafka.has_user("worker", NEW)
        await stronghold.kafka.restart()
        wait_until(lambda: "Failed authentication" in stronghold.kafka.said(), "Kafka to refuse the old password")
        (stronghold.folder / PASSWORD).write_text(NEW)
        asks(stronghold, 2)
        leaves_of(stronghold, 2, worker)
        publish(stronghold, _definition())
        worker.wait_for_log('"definition_stored"')  # read by the other client
        worker.send_signal(SIGTERM)
        assert worker.wait() == 0
        assert NEW not in worker.output()


@pytest.mark.thorough
async def test_postgres_password(stronghold: SecureServers) -> None:
    environment = in_file(stronghold.environment("worker", "worker"), URL, stronghold.folder)
    login = f"worker_{stronghold.suffix}"
    with running_command("run", environment=environment) as worker:
        asks(stronghold, 1)
        leaves_of(stronghold, 1, worker)
        await stronghold.execute(f"alter role {login} password '{NEW}'")
        await stronghold.execute(_END.format(login))
        asks(stronghold, 2)
        await asyncio.to_thread(worker.wait_for_log, '"server_unavailable"')
        (stronghold.folder / URL).write_text(environment_url(stronghold))
        leaves_of(stronghold, 2, worker)
        worker.send_signal(SIGTERM)
        assert worker.wait() == 0
        assert NEW not in worker.output()


def _definition() -> str:
    envelope = {"type": "TargetGroupDefined", "source": "/crm", "id": "g11-2", "time": "2026-01-01T00:00:00Z"}
    return json.dumps({**envelope, "data": appended_definition(2)})


def environment_url(stronghold: SecureServers) -> str:
    return stronghold.url("worker").replace(stronghold.passwords["worker"], NEW)
