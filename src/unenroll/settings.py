"""The settings of the program: environment variables and lines of `.env`, read once into a frozen model."""

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

_HTTPS_OR_LOOPBACK = r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])"
"""The client secret leaves the machine over TLS only."""

_PASSWORD_SETTINGS = ("kafka_sasl_username", "kafka_sasl_password")
_OAUTH_SETTINGS = ("kafka_sasl_oauth_token_url", "kafka_sasl_oauth_client_id", "kafka_sasl_oauth_client_secret")


class StartPosition(StrEnum):
    """Where to start in a partition for which the group has no committed offset."""

    EARLIEST = "earliest"
    LATEST = "latest"
    NONE = "none"


class LogFormat(StrEnum):
    """The format of log lines."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _check_postgres_url(value: SecretStr) -> SecretStr:
    if urlsplit(value.get_secret_value()).scheme not in {"postgresql", "postgres"}:
        raise ValueError("must begin with postgresql://")
    return value


_PostgresUrl = Annotated[Secret, AfterValidator(_check_postgres_url)]


class _Settings(BaseSettings):
    """The base of all settings: reads environment variables, `.env`, and the files that hold secrets."""

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
        """Return the sources of settings; the first one that has a setting wins."""
        del file_secret_settings
        files = SecretFiles(settings_cls, env_settings, dotenv_settings)
        return init_settings, files, env_settings, dotenv_settings


class DatabaseSettings(_Settings):
    """How to connect to Postgres."""

    database_url: Annotated[
        _PostgresUrl, Field(description="URL of the Postgres database: postgresql://user:password@host:port/name.")
    ]
    max_account_facts: Annotated[
        int,
        Field(
            description="Maximum number of facts of an account; a record with one more becomes a dead letter.",
            ge=100,
            le=1_000_000,
        ),
    ] = 10_000


class KafkaSettings(_Settings):
    """How to connect to Kafka, and the prefix of the topics."""

    kafka_bootstrap_servers: Annotated[
        str, Field(description="Addresses of Kafka brokers: host:port,host:port.", min_length=1)
    ]
    topic_prefix: Annotated[
        str, Field(description="Prefix of all topic names.", pattern=r"^[a-zA-Z0-9._-]{0,200}$")
    ] = "unenroll."
    kafka_security_protocol: Annotated[
        str,
        Field(description="Kafka's setting security.protocol.", pattern=r"^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$"),
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        str,
        Field(
            description="Kafka's setting sasl.mechanism.", pattern=r"^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512|OAUTHBEARER)$"
        ),
    ] = "PLAIN"
    kafka_sasl_username: Annotated[Secret | None, Field(description="User name for SASL.")] = None
    kafka_sasl_password: Annotated[Secret | None, Field(description="Password for SASL.")] = None
    kafka_sasl_oauth_token_url: Annotated[
        str | None,
        Field(
            description="Token URL for OAUTHBEARER (client credentials grant). Plain http only for localhost.",
            pattern=_HTTPS_OR_LOOPBACK,
        ),
    ] = None
    kafka_sasl_oauth_client_id: Annotated[Secret | None, Field(description="Client id for the token URL.")] = None
    kafka_sasl_oauth_client_secret: Annotated[Secret | None, Field(description="Client secret for the token URL.")] = (
        None
    )
    kafka_sasl_oauth_scope: Annotated[str | None, Field(description="Scope to request from the token URL.")] = None
    kafka_sasl_oauth_cafile: Annotated[
        Path | None,
        Field(description="PEM file with the CA certificates for the token URL; unset: those of the machine."),
    ] = None
    kafka_ssl_cafile: Annotated[
        Path | None,
        Field(description="PEM file with the CA certificates for the brokers; unset: those of the machine."),
    ] = None
    kafka_ssl_certfile: Annotated[Path | None, Field(description="PEM file with the client certificate.")] = None
    kafka_ssl_keyfile: Annotated[
        Path | None,
        Field(description="PEM file with the client certificate's key; unset: the key is in the certificate file."),
    ] = None
    kafka_ssl_key_password: Annotated[Secret | None, Field(description="Password of the client certificate's key.")] = (
        None
    )

    @field_validator(
        "kafka_sasl_oauth_cafile", "kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile", mode="after"
    )
    @classmethod
    def _check_readable(cls, value: Path | None) -> Path | None:
        if value is not None and not os.access(value, os.R_OK):
            raise ValueError(f"{value} cannot be read")
        return value

    @model_validator(mode="after")
    def _check_complete(self) -> Self:
        missing = [_variable(name) for name in self._required() if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{', '.join(missing)} must be set, as other Kafka settings require")
        return self

    def _required(self) -> list[str]:
        required: list[str] = []
        if self.kafka_security_protocol.startswith("SASL"):
            required += _OAUTH_SETTINGS if self.kafka_sasl_mechanism == "OAUTHBEARER" else _PASSWORD_SETTINGS
        if self.kafka_ssl_keyfile or self.kafka_ssl_key_password:
            required.append("kafka_ssl_certfile")
        return required


class WorkerSettings(DatabaseSettings, KafkaSettings):
    """The settings of the worker."""

    group_id: Annotated[
        str, Field(description="Consumer group of the workers.", pattern=r"^[a-zA-Z0-9._-]{1,200}$")
    ] = "unenroll"
    batch_records: Annotated[int, Field(description="Maximum number of records in a batch.", ge=1, le=100_000)] = 1000
    session_timeout_ms: Annotated[
        int,
        Field(
            description="Milliseconds without a heartbeat after which Kafka gives a worker's lanes to other workers.",
            ge=6000,
            le=1_800_000,
        ),
    ] = 45_000
    http_address: Annotated[
        str,
        Field(
            description="Address of the metrics and health pages, as host:port; empty: no pages.",
            pattern=r"^(\S+:\d{1,5})?$",
        ),
    ] = "127.0.0.1:8080"
    progress_timeout_ms: Annotated[
        int,
        Field(
            description="Milliseconds without progress after which the watchdog ends the process; 0: never. "
            "A lane that waits for an unavailable server does not count.",
            ge=0,
        ),
    ] = 300_000
    start: Annotated[
        StartPosition,
        Field(
            description="Where to start when the group has no committed offset: "
            "earliest, latest or none (refuse to start)."
        ),
    ] = StartPosition.EARLIEST


class ApiSettings(WorkerSettings):
    """The settings of the HTTP API, besides those of the worker."""

    api_address: Annotated[
        str, Field(description="Address of the HTTP API, as host:port.", pattern=r"^\S+:\d{1,5}$")
    ] = "127.0.0.1:8081"
    api_wait_ms: Annotated[
        int,
        Field(
            description="Maximum milliseconds that a call waits for the decision; after that the API answers 202.",
            ge=0,
            le=60_000,
        ),
    ] = 5000
    api_clients_file: Annotated[
        Path | None, Field(description="File with the callers, their scopes and their hashed secrets.")
    ] = None
    api_jwks: Annotated[str | None, Field(description="Keys that verify tokens (JWKS): a file or an https URL.")] = None
    api_jwt_audience: Annotated[str | None, Field(description="Audience (aud) that a token must have.")] = None
    api_jwt_issuer: Annotated[str | None, Field(description="Issuer (iss) that a token must have.")] = None
    api_rate: Annotated[float, Field(description="Average calls per second that a caller may make.", gt=0)] = 100.0
    api_rate_burst: Annotated[int, Field(description="Calls that a caller may make at once.", ge=1)] = 200


class LogSettings(_Settings):
    """The settings of the log."""

    log_format: Annotated[
        LogFormat | None,
        Field(description="Format of log lines: json or console; unset: console on a terminal, json elsewhere."),
    ] = None
    log_level: Annotated[
        LogLevel,
        Field(
            description="Lowest level that is logged: debug (adds each rejection and each retry), "
            "info (adds each batch), warning or error."
        ),
    ] = LogLevel.INFO


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def read_settings(kind: type[SettingsT]) -> SettingsT:
    """Return the settings of this class. Raises UsageError that names all missing and wrong ones."""
    try:
        return kind()
    except UnicodeDecodeError:
        raise UsageError("the file .env in this folder is not UTF-8") from None
    except ValidationError as invalid:
        raise UsageError("; ".join(_message(error) for error in invalid.errors(include_url=False))) from None


def _message(error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, whose values are of any type
    text = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:  # the error concerns several settings, and names them
        return text
    variable = _variable("_".join(str(part) for part in error["loc"]))
    return f"{variable} is not set" if error["type"] == "missing" else f"{variable}: {text}"


def _variable(name: str) -> str:
    return PREFIX + name.upper()
