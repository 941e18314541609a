"""The environment, read once into a frozen record."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from unenroll.errors import UsageError
from unenroll.secret_files import Secret, SecretFiles

PREFIX = "UNENROLL_"

_TLS_OR_HERE = r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])"
"""Secrets leave the machine over TLS only."""

_FOR_PASSWORDS = ("username", "password")
_FOR_TOKENS = ("oauth_token_url", "oauth_client_id", "oauth_client_secret")


class StartPosition(StrEnum):
    """Where a partition begins that this group never committed."""

    EARLIEST = "earliest"
    LATEST = "latest"
    NONE = "none"


class LogFormat(StrEnum):
    """How log lines look."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """From which level on log lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _names_postgres(value: SecretStr) -> SecretStr:
    if urlsplit(value.get_secret_value()).scheme not in {"postgresql", "postgres"}:
        raise ValueError("must begin with postgresql://")
    return value


_PostgresUrl = Annotated[Secret, AfterValidator(_names_postgres)]


class _Settings(BaseSettings):
    """Environment variables, lines of `.env`, and secrets in files that these name."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(  # noqa: PLR0917 - its signature is pydantic's
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where settings are looked for, in order."""
        del file_secret_settings
        files = SecretFiles(settings_cls, env_settings, dotenv_settings)
        return init_settings, files, env_settings, dotenv_settings


class DatabaseSettings(_Settings):
    """Where Postgres is."""

    database_url: Annotated[_PostgresUrl, Field(description="PostgreSQL, as postgresql://user:password@host:port/name")]


class KafkaSettings(_Settings):
    """Where Kafka is, and how to speak to it."""

    kafka_bootstrap_servers: Annotated[str, Field(description="Kafka, as host:port,host:port", min_length=1)]
    topic_prefix: Annotated[
        str, Field(description="what every topic's name begins with", pattern=r"^[a-zA-Z0-9._-]{0,200}$")
    ] = "unenroll."
    kafka_security_protocol: Annotated[
        str, Field(description="as Kafka names it", pattern=r"^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$")
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        str, Field(description="as Kafka names it", pattern=r"^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512|OAUTHBEARER)$")
    ] = "PLAIN"
    kafka_sasl_username: Annotated[Secret | None, Field(description="user for SASL")] = None
    kafka_sasl_password: Annotated[Secret | None, Field(description="password for SASL")] = None
    kafka_sasl_oauth_token_url: Annotated[
        str | None, Field(description="where OAUTHBEARER gets its tokens, by client credentials", pattern=_TLS_OR_HERE)
    ] = None
    kafka_sasl_oauth_client_id: Annotated[Secret | None, Field(description="who asks for tokens")] = None
    kafka_sasl_oauth_client_secret: Annotated[Secret | None, Field(description="and the secret of it")] = None
    kafka_sasl_oauth_scope: Annotated[str | None, Field(description="the scope that is asked for")] = None
    kafka_sasl_oauth_cafile: Annotated[
        Path | None, Field(description="file with the authority of the token URL; unset: those the machine trusts")
    ] = None
    kafka_ssl_cafile: Annotated[
        Path | None,
        Field(description="file with the authority that signed the brokers; unset: those the machine trusts"),
    ] = None
    kafka_ssl_certfile: Annotated[Path | None, Field(description="file with our own certificate, as PEM")] = None
    kafka_ssl_keyfile: Annotated[
        Path | None, Field(description="file with the key of it; unset: it is in the same file")
    ] = None
    kafka_ssl_key_password: Annotated[Secret | None, Field(description="password of the key")] = None

    @field_validator(
        "kafka_sasl_oauth_cafile", "kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile", mode="after"
    )
    @classmethod
    def _is_there(cls, value: Path | None) -> Path | None:
        if value is not None and not os.access(value, os.R_OK):
            raise ValueError(f"{value} cannot be read")
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        missing = [f"{PREFIX}{name.upper()}" for name in self._needed() if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{', '.join(missing)} must be set as well, by the other settings of Kafka")
        return self

    def _needed(self) -> list[str]:
        needed = []
        if self.kafka_security_protocol.startswith("SASL"):
            tokens = self.kafka_sasl_mechanism == "OAUTHBEARER"
            needed += [f"kafka_sasl_{name}" for name in (_FOR_TOKENS if tokens else _FOR_PASSWORDS)]
        if self.kafka_ssl_keyfile or self.kafka_ssl_key_password:
            needed.append("kafka_ssl_certfile")
        return needed


class WorkerSettings(DatabaseSettings, KafkaSettings):
    """All that the worker needs."""

    group_id: Annotated[str, Field(description="the consumer group", pattern=r"^[a-zA-Z0-9._-]{1,200}$")] = "unenroll"
    batch_records: Annotated[int, Field(description="records in one batch at most", ge=1, le=100_000)] = 1000
    session_timeout_ms: Annotated[
        int, Field(description="after how long without a heartbeat a worker's lanes move", ge=6000, le=1_800_000)
    ] = 45_000
    definition_wait_ms: Annotated[
        int, Field(description="how long a record waits for a definition that nobody knows yet", ge=0, le=60_000)
    ] = 2000
    http_address: Annotated[
        str,
        Field(description="where metrics and health are served, as host:port; empty: off", pattern=r"^(\S+:\d{1,5})?$"),
    ] = "127.0.0.1:8080"
    progress_timeout_ms: Annotated[
        int,
        Field(description="after how long without progress, and without a reason, the process ends; 0: never", ge=0),
    ] = 300_000
    start: Annotated[
        StartPosition, Field(description="where a partition begins that this group never committed; none: refuse")
    ] = StartPosition.EARLIEST


class ApiSettings(WorkerSettings):
    """Settings of the HTTP API: those of the worker, and how to call it."""

    api_address: Annotated[
        str, Field(description="address that the HTTP API listens on, as host:port", pattern=r"^\S+:\d{1,5}$")
    ] = "127.0.0.1:8081"
    api_wait_ms: Annotated[
        int, Field(description="how long a call waits for its decision before it is answered 202", ge=0, le=60_000)
    ] = 5000
    api_clients_file: Annotated[Path | None, Field(description="file with the callers and their hashed secrets")] = None
    api_jwks: Annotated[str | None, Field(description="keys that tokens are signed with: a file, or an https URL")] = (
        None
    )
    api_jwt_audience: Annotated[str | None, Field(description="the audience that a token must name")] = None
    api_jwt_issuer: Annotated[str | None, Field(description="the issuer that a token must name")] = None
    api_rate: Annotated[float, Field(description="calls a second of one caller, on average", gt=0)] = 100.0
    api_rate_burst: Annotated[int, Field(description="calls of one caller at once", ge=1)] = 200


class LogSettings(_Settings):
    """How the program speaks."""

    log_format: Annotated[
        LogFormat | None, Field(description="json or console; unset: console on a terminal, else json")
    ] = None
    log_level: Annotated[
        LogLevel, Field(description="debug (each refusal too), info (each batch), warning or error")
    ] = LogLevel.INFO


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def read_settings(kind: type[SettingsT]) -> SettingsT:
    """The settings of this kind. Raises UsageError that names every missing or wrong one at once."""
    try:
        return kind()
    except UnicodeDecodeError:
        raise UsageError("the file .env in this folder is not UTF-8") from None
    except ValidationError as error:
        raise UsageError("; ".join(_complaint(flaw) for flaw in error.errors(include_url=False))) from None


def _complaint(flaw: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, whose values are of any type
    if not flaw["loc"]:  # about several of them, which it names
        return str(flaw["msg"]).removeprefix("Value error, ")
    name = PREFIX + "_".join(str(part) for part in flaw["loc"]).upper()
    if flaw["type"] == "missing":
        return f"{name} is not set"
    return f"{name}: {flaw['msg'].removeprefix('Value error, ')}"
