"""What leaves the machine without TLS is said, and nothing else is."""

import pytest
from pydantic import SecretStr

from unenroll.settings import WorkerSettings
from unenroll.worker.preflight import not_encrypted


@pytest.mark.parametrize(
    ("kafka", "protocol", "database", "told"),
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
def test_it_is_said(kafka: str, protocol: str, database: str, told: list[str]) -> None:
    settings = WorkerSettings(
        kafka_bootstrap_servers=kafka,
        kafka_security_protocol=protocol,
        kafka_sasl_username=SecretStr("me"),
        kafka_sasl_password=SecretStr("hunter2"),
        database_url=SecretStr(f"postgresql://{database}"),
    )
    said = list(not_encrypted(settings))
    assert len(said) == len(told)
    assert all(word in sentence for word, sentence in zip(told, said, strict=True))
    assert "hunter2" not in str(said)
