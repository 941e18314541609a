"""The environment, read once into a frozen record."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from unenroll.errors import UsageError
from unenroll.lane_numbers import read_numbers

PREFIX = "UNENROLL_"


class Start(StrEnum):
    """Where a partition begins that this group never committed."""

    EARLIEST = "earliest"
    LATEST = "latest"
    NONE = "none"


class LogFormat(StrEnum):
    """How log lines look."""

    JSON = "json"
    CONSOLE = "console"


class DatabaseSettings(BaseSettings):
    """Where Postgres is."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    database_url: Annotated[SecretStr, Field(description="PostgreSQL, as postgresql://user:password@host:port/name")]

    @field_validator("database_url")
    @classmethod
    def _names_postgres(cls, value: SecretStr) -> SecretStr:
        if urlsplit(value.get_secret_value()).scheme not in {"postgresql", "postgres"}:
            raise ValueError("must begin with postgresql://")
        return value


class KafkaSettings(BaseSettings):
    """Where Kafka is, and how to speak to it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    kafka_bootstrap_servers: Annotated[str, Field(description="Kafka, as host:port,host:port", min_length=1)]
    topic_prefix: Annotated[
        str, Field(description="what every topic's name begins with", pattern=r"^[a-zA-Z0-9._-]{0,200}$")
    ] = "unenroll."
    kafka_security_protocol: Annotated[
        str, Field(description="as Kafka names it", pattern=r"^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$")
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        str, Field(description="as Kafka names it", pattern=r"^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512)$")
    ] = "PLAIN"
    kafka_sasl_username: Annotated[str | None, Field(description="user for SASL")] = None
    kafka_sasl_password: Annotated[SecretStr | None, Field(description="password for SASL")] = None
    kafka_ssl_cafile: Annotated[Path | None, Field(description="file with the authority that signed the brokers")] = (
        None
    )


class WorkerSettings(DatabaseSettings, KafkaSettings):
    """All that the worker needs."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    group_id: Annotated[str, Field(description="the consumer group", pattern=r"^[a-zA-Z0-9._-]{1,200}$")] = "unenroll"
    batch_records: Annotated[int, Field(description="records in one batch at most", ge=1, le=100_000)] = 1000
    session_timeout_ms: Annotated[
        int, Field(description="after how long without a heartbeat a worker's lanes move", ge=6000, le=1_800_000)
    ] = 45_000
    definition_wait_ms: Annotated[
        int, Field(description="how long a record waits for a definition that nobody knows yet", ge=0, le=60_000)
    ] = 2000
    start: Annotated[
        Start, Field(description="where a partition begins that this group never committed; none: refuse")
    ] = Start.EARLIEST
    most_lanes: Annotated[
        int | None, Field(description="lanes that a process takes from the group at most; the rest waits", ge=1)
    ] = None
    lanes: Annotated[
        str | None, Field(description="lanes that the process takes whatever the group says, as 0-7,12")
    ] = None

    @field_validator("lanes")
    @classmethod
    def _numbers(cls, value: str | None) -> str | None:
        if value is not None:
            read_numbers(value)
        return value

    @model_validator(mode="after")
    def _within_budget(self) -> Self:
        if self.most_lanes is not None and len(self.own_lanes or ()) > self.most_lanes:
            raise ValueError(f"UNENROLL_LANES names more lanes than UNENROLL_MOST_LANES, which is {self.most_lanes}")
        return self

    @property
    def own_lanes(self) -> tuple[int, ...] | None:
        """The lanes that the process takes by itself; None: those that the group gives it."""
        return None if self.lanes is None else read_numbers(self.lanes)


class FrontSettings(WorkerSettings):
    """All that the front door needs: where the worker's topics and tables are, and how it is called."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    api_address: Annotated[
        str, Field(description="where the front door listens, as host:port", pattern=r"^\S+:\d{1,5}$")
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


class MoveSettings(WorkerSettings):
    """All that it takes to move lanes: the worker's, and where the lanes are to go."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    to_database_url: Annotated[
        SecretStr, Field(description="the PostgreSQL that lanes are moved to, written like the other URL")
    ]

    @field_validator("to_database_url")
    @classmethod
    def _names_postgres_too(cls, value: SecretStr) -> SecretStr:
        if urlsplit(value.get_secret_value()).scheme not in {"postgresql", "postgres"}:
            raise ValueError("must begin with postgresql://")
        return value


class LogSettings(BaseSettings):
    """How the program speaks."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    log_format: Annotated[
        LogFormat | None, Field(description="json or console; unset: console on a terminal, else json")
    ] = None


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def read(kind: type[SettingsT]) -> SettingsT:
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
