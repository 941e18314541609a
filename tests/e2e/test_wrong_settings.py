"""What is wrong is said in one line that tells what to do, with the exit code of the contract and no traceback."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic
from urllib.parse import urlsplit

import pytest

from support.cases import some
from support.certificates import nobody_listens
from support.deployment import Deployment
from support.events import enrollment_line
from support.files import command
from support.workers import run_command


def said(*arguments: str, environment: Mapping[str, str], code: int) -> str:
    found = command(*arguments, environment=environment)
    assert (found.code, found.out) == (code, ""), found
    lines = [line for line in found.err.splitlines() if not line.startswith("{")]  # its log apart
    assert len(lines) == 1, found
    assert lines[0].startswith("unenroll: ")
    return lines[0]


def test_all_missing_settings_are_named_at_once() -> None:
    line = said("run", environment={}, code=2)
    assert "UNENROLL_KAFKA_BOOTSTRAP_SERVERS is not set" in line
    assert "UNENROLL_DATABASE_URL is not set" in line


def test_all_wrong_settings_are_named_at_once(nowhere: Deployment) -> None:
    wrong = {"UNENROLL_BATCH_RECORDS": "many", "UNENROLL_START": "somewhere", "UNENROLL_SESSION_TIMEOUT_MS": "1"}
    line = said("run", environment={**nowhere.environment, **wrong}, code=2)
    assert all(name in line for name in wrong)


def test_a_secret_in_a_wrong_setting_is_not_repeated() -> None:
    line = said("migrate", environment={"UNENROLL_DATABASE_URL": "mysql://me:hunter2@host/name"}, code=2)
    assert "UNENROLL_DATABASE_URL: must begin with postgresql://" in line
    assert "hunter2" not in line


@pytest.mark.parametrize("command", ["migrate", "run"])
@pytest.mark.parametrize(
    "url", ["me:hunter/2@host:5432/name", "me:hunter2@host:port/name", "host/name?sslmode=hunter2"]
)
def test_a_database_url_that_cannot_be_read(nowhere: Deployment, command: str, url: str) -> None:
    line = said(command, environment=replace(nowhere, database_url=f"postgresql://{url}").environment, code=2)
    assert "UNENROLL_DATABASE_URL: " in line
    assert "hunter" not in line


@pytest.mark.parametrize("command", ["topics", "run"])
@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"UNENROLL_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"},
            "UNENROLL_KAFKA_SASL_USERNAME, UNENROLL_KAFKA_SASL_PASSWORD must be set",
        ),
        (
            {"UNENROLL_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "UNENROLL_KAFKA_SASL_MECHANISM": "OAUTHBEARER"},
            "UNENROLL_KAFKA_SASL_OAUTH_CLIENT_SECRET must be set",
        ),
        (
            {"UNENROLL_KAFKA_SASL_OAUTH_TOKEN_URL": "http://login.example.com/token"},
            "UNENROLL_KAFKA_SASL_OAUTH_TOKEN_URL: ",
        ),
        (
            {"UNENROLL_KAFKA_SECURITY_PROTOCOL": "SSL", "UNENROLL_KAFKA_SSL_CAFILE": "nowhere.pem"},
            "UNENROLL_KAFKA_SSL_CAFILE: nowhere.pem cannot be read",
        ),
        (
            {"UNENROLL_KAFKA_SECURITY_PROTOCOL": "SSL", "UNENROLL_KAFKA_SSL_CAFILE": __file__},
            "a certificate or key cannot be used",
        ),
        ({"UNENROLL_KAFKA_SSL_KEY_PASSWORD": "hunter2"}, "UNENROLL_KAFKA_SSL_CERTFILE must be set"),
    ],
)
def test_settings_of_kafka_that_cannot_work(
    nowhere: Deployment, command: str, more: Mapping[str, str], says: str
) -> None:
    assert says in said(command, environment={**nowhere.environment, **more}, code=2)


@pytest.mark.parametrize("command", ["migrate", "run"])
def test_a_database_that_is_not_there(nowhere: Deployment, command: str) -> None:
    with nobody_listens() as port:
        away = replace(nowhere, database_url=f"postgresql://me:hunter2@127.0.0.1:{port}/name")
        line = said(command, environment=away.environment, code=1)
    assert "Postgres does not answer" in line
    assert "hunter2" not in line


@pytest.mark.thorough
def test_a_broker_that_is_not_there_is_said_soon(deployment: Deployment) -> None:
    event = deployment.folder / "event.ndjson"
    event.write_text(enrollment_line(1).replace('"data"', '"time": "2026-01-01T00:00:00Z", "data"'))
    with nobody_listens() as port, ThreadPoolExecutor() as at_once:
        away = replace(deployment, kafka=f"127.0.0.1:{port}").environment
        began = monotonic()
        commands = [("topics",), ("run",), ("status",), ("publish", str(event))]
        lines = at_once.map(lambda command: said(*command, environment=away, code=1), commands)
        assert all(line.startswith("unenroll: Kafka does not answer") for line in lines)
        assert monotonic() - began < 40


@pytest.mark.parametrize("command", some(["migrate", "run"], always={"run"}))
def test_a_wrong_password(deployment: Deployment, command: str) -> None:
    parts = urlsplit(deployment.database_url)
    wrong = parts._replace(netloc=f"{parts.username}:hunter2@{parts.hostname}:{parts.port}").geturl()
    line = said(command, environment=replace(deployment, database_url=wrong).environment, code=1)
    assert "refuses the user or password" in line
    assert "hunter2" not in line


def test_missing_topics(deployment: Deployment) -> None:
    line = said("run", environment=replace(deployment, prefix="nothing.here.").environment, code=1)
    assert "Kafka has no topic nothing.here.requests" in line
    assert "run `unenroll topics`" in line


async def test_missing_tables(deployment: Deployment) -> None:
    await deployment.execute("drop table alembic_version")
    line = said("run", environment=deployment.environment, code=1)
    assert "run `unenroll migrate`" in line


async def test_missing_rights(deployment: Deployment) -> None:
    await deployment.execute("create role reader login password 'reader'; grant select on alembic_version to reader")
    try:
        parts = urlsplit(deployment.database_url)
        reader = parts._replace(netloc=f"reader:reader@{parts.hostname}:{parts.port}").geturl()
        line = said("run", environment=replace(deployment, database_url=reader).environment, code=1)
    finally:
        await deployment.execute("drop owned by reader; drop role reader")
    assert "grant select, insert, update on lanes to reader" in line
    assert "on alembic_version to" not in line


def test_a_start_that_may_not_be_chosen(deployment: Deployment) -> None:
    line = said("run", environment={**deployment.environment, "UNENROLL_START": "none"}, code=1)
    assert "UNENROLL_START is none: set it to earliest or latest" in line


def test_an_unknown_command() -> None:
    assert "No such command" in run_command("unenrol", environment={}, code=2)
