"""Postgres over TLS: also its migrations look at the certificate, and nothing goes to who shows another one."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest

from support.certificates import Authority
from support.deployment import Deployment, deploy
from support.events import enrollment_line, leave_record
from support.files import command
from support.tls_postgres import PASSWORD, TlsPostgres, programs, tls_postgres
from support.workers import run_command
from unenroll.sandbox.servers import ServerAddresses

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(programs() is None, reason="Debian's postgresql is not installed: make test-security does it"),
]


@pytest.fixture(scope="module")
async def postgres() -> AsyncIterator[TlsPostgres]:
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - Postgres runs as somebody else, who is to get in
        async with tls_postgres(Path(folder)) as found:
            yield found


async def test_the_worker_works_over_verified_tls(
    servers: ServerAddresses, postgres: TlsPostgres, prefix: str, tmp_path: Path
) -> None:
    deployment = Deployment(kafka=servers.kafka, database_url=postgres.verified(), prefix=prefix, folder=tmp_path)
    run_command("migrate", environment=deployment.environment)
    await deploy(deployment)
    deployment.load([enrollment_line(1)])
    deployment.request([leave_record(1)])
    deployment.catch_up()
    assert [record.data["customerId"] for record in deployment.consume("unenrollments")] == [1]
    assert await deployment.rows("select version from pg_stat_ssl where pid = pg_backend_pid() and ssl")


async def test_a_certificate_of_ours_in_place_of_a_password(postgres: TlsPostgres) -> None:
    connection = await asyncpg.connect(postgres.verified())
    await connection.execute("drop role if exists certain; create role certain login superuser")
    await connection.close()
    ours = postgres.authority.signs("certain")
    url = postgres.verified(user="certain", sslcert=ours.certificate, sslkey=ours.key)
    run_command("migrate", environment={"UNENROLL_DATABASE_URL": url})
    late = postgres.authority.signs("certain", expired=True)
    url = postgres.verified(user="certain", sslcert=late.certificate, sslkey=late.key)
    _refused("migrate", url)  # Postgres hangs up, and tells the reason to its own log only


@pytest.mark.parametrize("arguments", ["migrate", "run"])
def test_what_is_wrong_is_said_in_one_line(postgres: TlsPostgres, tmp_path: Path, arguments: str) -> None:
    stranger = Authority(tmp_path, "stranger").file
    wrong = {
        postgres.url(sslmode="verify-full", sslrootcert=stranger): "certificate of Postgres is not trusted",
        postgres.verified().replace("localhost", "127.0.0.1"): "IP address mismatch",
        postgres.verified().replace(PASSWORD, "hunter2"): "refuses the user or password",
        postgres.url(sslmode="disable"): "no pg_hba.conf entry",
        postgres.url(sslmode="verify-full", sslrootcert=tmp_path / "nowhere.pem"): "that is not there",
    }
    for url, says in wrong.items():
        assert says in _refused(arguments, url)


def _refused(arguments: str, url: str) -> str:
    environment = {"UNENROLL_DATABASE_URL": url, "UNENROLL_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    found = command(arguments, environment=environment)
    assert found.code in {1, 2}
    assert PASSWORD not in found.err
    assert "hunter2" not in found.err
    assert found.err.count("\n") == 1, found.err
    return found.err
