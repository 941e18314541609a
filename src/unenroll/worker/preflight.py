"""Checks before the worker starts: the rights in Postgres and Kafka, and the encryption of both connections."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import structlog
from aiokafka.conn import collect_hosts
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined] # exported, but not said to be

from unenroll.errors import OutageError, SetupError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.config import REQUEST_SECONDS, broker_text
from unenroll.kafka.errors import kafka_errors
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.queries import QUERIES
from unenroll.settings import WorkerSettings
from unenroll.wire.topics import Topic

log = structlog.get_logger()

_VERIFIED = {"verify-ca", "verify-full"}
_ANY_BATCH_BYTES = 1024
_FORBIDDEN = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}
_ALL_OPERATIONS = {AclOperation.ALTER, AclOperation.CLUSTER_ACTION, AclOperation.CREATE, AclOperation.ALTER_CONFIGS}

TABLE_RIGHTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "accounts": ("select", "insert", "update"),
        "alembic_version": ("select",),
        "dead_letters": ("select", "insert"),
        "definition_positions": ("select", "insert", "update"),
        "definition_refusals": ("insert",),
        "erased_customers": ("select", "update"),
        "lanes": ("select", "insert", "update"),
        "ledger": ("select", "insert"),
        "oldest_program": ("select",),
        "publications": ("select", "insert"),
        "resettlements": ("select", "insert", "update", "delete"),
        "target_groups": ("select", "insert", "update"),
        "targets": ("select", "insert"),
    }
)
"""The rights of the worker by table, as in deploy/postgres/grants.sql. Locking a row takes the right to update it."""


async def missing_rights(pool: asyncpg.Pool) -> list[str]:
    """The statements that grant the missing rights. Leaves out tables that do not exist. Raises OutageError."""
    needed = [(table, right) for table, rights in TABLE_RIGHTS.items() for right in rights]
    with postgres_errors():
        schemas = await pool.fetch(QUERIES["closed_schemas"])
        rows = await pool.fetch(QUERIES["missing_rights"], *map(list, zip(*needed, strict=True)))
    missing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        missing[row["name"], row["role"]].append(row["needed"])
    grants = [f"grant usage on schema {row['name']} to {row['role']}" for row in schemas]
    return grants + [f"grant {', '.join(rights)} on {table} to {role}" for (table, role), rights in missing.items()]


TOPIC_OPERATIONS: Mapping[Topic, tuple[AclOperation, ...]] = MappingProxyType(
    {
        Topic.REQUESTS: (AclOperation.READ, AclOperation.DESCRIBE_CONFIGS),
        # the worker publishes SettlementDue on topic `facts`
        Topic.FACTS: (AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS),
        Topic.DEFINITIONS: (AclOperation.READ, AclOperation.DESCRIBE_CONFIGS),
        Topic.UNENROLLMENTS: (AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS),
        Topic.REJECTIONS: (AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS),
        Topic.REWARDS: (AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS),
        Topic.DEAD_LETTERS: (AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS),
    }
)
"""The operations of the worker by topic, as in deploy/kafka/acls.sh. Read and Write include Describe."""


async def check_rights(settings: WorkerSettings, cluster: KafkaAdmin, pool: asyncpg.Pool) -> None:
    """Raise SetupError if the worker lacks rights, with the commands that grant them. Raises OutageError."""
    missing = [*await missing_rights(pool), *await _missing_in_kafka(settings, cluster)]
    if missing:
        raise SetupError(f"rights are missing; these commands grant them: {'; '.join(missing)}")


async def _missing_in_kafka(settings: WorkerSettings, cluster: KafkaAdmin) -> list[str]:
    client = await cluster.client()
    with kafka_errors("asking for the rights of the worker"):
        if await _has_all_rights(client):
            return []
        topics, group = await asyncio.gather(_for_topics(settings, client), _for_group(settings, client))
    return [
        f"kafka-acls.sh --add --allow-principal {_principal(settings)} {what}"
        for what in (*topics, *group, *await _for_transactions(settings))
    ]


async def _has_all_rights(client: AdminClient) -> bool:
    """Whether the cluster has no access control, or the worker may do everything."""
    found = await _response(
        client.describe_cluster(include_authorized_operations=True, request_timeout=REQUEST_SECONDS)
    )
    return set(found.authorized_operations or ()) >= _ALL_OPERATIONS


async def _for_topics(settings: WorkerSettings, client: AdminClient) -> list[str]:
    needed = {settings.topic_prefix + word: operations for word, operations in TOPIC_OPERATIONS.items()}
    futures = client.describe_topics(
        TopicCollection(list(needed)), include_authorized_operations=True, request_timeout=REQUEST_SECONDS
    )
    return [
        f"{_options(lacking)} --topic {name}"
        for name, future in futures.items()
        if (lacking := await _lacking(future, needed[name]))
    ]


async def _for_group(settings: WorkerSettings, client: AdminClient) -> list[str]:
    futures = client.describe_consumer_groups(
        [settings.group_id], include_authorized_operations=True, request_timeout=REQUEST_SECONDS
    )
    lacking = await _lacking(futures[settings.group_id], (AclOperation.READ,))
    return [f"{_options(lacking)} --group {settings.group_id}"] if lacking else []


async def _for_transactions(settings: WorkerSettings) -> list[str]:
    """Only a producer can find whether a transactional id is allowed. This one uses an id that no lane has."""
    group = f"{settings.topic_prefix}:{settings.group_id}"
    trial = LaneProducer(
        settings, transactional_id=f"{group}:rights", group_id=settings.group_id, batch_bytes=_ANY_BATCH_BYTES
    )
    try:
        async with trial:
            return []
    except SetupError:
        return [f"--operation Write --transactional-id {group}: --resource-pattern-type prefixed"]
    except OutageError:  # the lanes wait for Kafka and try again
        return []


async def _lacking(future: "Future[Any]", needed: Iterable[AclOperation]) -> list[AclOperation]:
    """The needed operations that are not allowed; none if the broker does not say what is allowed."""
    try:
        allowed = (await _response(future)).authorized_operations
    except KafkaException as error:
        return list(needed) if error.args[0].code() in _FORBIDDEN else []
    return [operation for operation in needed if operation not in allowed] if allowed else []


async def _response(future: "Future[Any]") -> Any:  # noqa: ANN401 - untyped client
    async with asyncio.timeout(REQUEST_SECONDS + 1):
        return await asyncio.wrap_future(future)


def _options(operations: Iterable[AclOperation]) -> str:
    return " ".join(f"--operation {operation.name.title().replace('_', '')}" for operation in operations)


def _principal(settings: WorkerSettings) -> str:
    name = broker_text(settings.kafka_sasl_username) or broker_text(settings.kafka_sasl_oauth_client_id)
    return f"User:{name or '...'}"


def warn_not_encrypted(settings: WorkerSettings) -> None:
    """Log a warning for each connection that is not encrypted and verified."""
    for why in not_encrypted(settings):
        log.warning("connection_not_encrypted", why=why)


def not_encrypted(settings: WorkerSettings) -> Iterator[str]:
    """A warning for each server whose connection is not encrypted and verified. Contains no values of settings."""
    if not settings.kafka_security_protocol.endswith("SSL") and not all(
        _is_local(host) for host, *_ in collect_hosts(settings.kafka_bootstrap_servers, randomize=False)
    ):
        yield "the connection to Kafka is not encrypted: set UNENROLL_KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL"
    url = urlsplit(settings.database_url.get_secret_value())
    options = parse_qs(url.query)
    host = options.get("host", [url.hostname or ""])[0]
    if not _is_local(host) and options.get("sslmode", [""])[0] not in _VERIFIED:
        yield (
            "the certificate of Postgres is not verified: "
            "add ?sslmode=verify-full&sslrootcert=FILE to UNENROLL_DATABASE_URL"
        )


def _is_local(host: str) -> bool:
    if host in {"", "localhost"} or host.startswith("/"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
