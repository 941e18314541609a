"""Connections to other machines that are not encrypted and verified are reported, and no others."""

import pytest
from pydantic import SecretStr

from unenroll.settings import WorkerSettings
from unenroll.worker.preflight import not_encrypted


@pytest.mark.parametrize(
    ("kafka", "protocol", "database", "servers"),
    [
        ("localhost:9092", "PLAINTEXT", "localhost/name", []),
        ("127.0.0.1:9092,[::1]:9092", "PLAINTEXT", "[::1]:5432/name", []),
        ("localhost:9092", "PLAINTEXT", "/name?host=/run/postgresql", []),
        ("kafka:9092", "SASL_SSL", "postgres/name?sslmode=verify-full&sslrootcert=ca.pem", []),
        ("localhost:9092,kafka:9092", "PLAINTEXT", "localhost/name", ["Kafka"]),
        ("kafka:9092", "SASL_PLAINTEXT", "me:hunter2@postgres/name", ["Kafka", "Postgres"]),
        ("kafka", "PLAINTEXT", "localhost/name", ["Kafka"]),
        ("kafka:9092", "SSL", "10.0.0.1/name?sslmode=require", ["Postgres"]),
    ],
)
def test_open_connections_are_reported(kafka: str, protocol: str, database: str, servers: list[str]) -> None:
    settings = WorkerSettings(
        kafka_bootstrap_servers=kafka,
        kafka_security_protocol=protocol,
        kafka_sasl_username=SecretStr("me"),
        kafka_sasl_password=SecretStr("hunter2"),
        database_url=SecretStr(f"postgresql://{database}"),
    )
    warnings = list(not_encrypted(settings))
    assert len(warnings) == len(servers)
    assert all(server in warning for server, warning in zip(servers, warnings, strict=True))
    assert "hunter2" not in str(warnings)
