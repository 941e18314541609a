"""What the worker needs to be allowed to do, looked at before it begins: all that is missing is told at once."""

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

TABLE_RIGHTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "accounts": ("select", "insert", "update"),
        "alembic_version": ("select",),
        "dead_letters": ("select", "insert"),
        "definition_refusals": ("insert",),
        "erased_customers": ("select", "update"),
        "lanes": ("select", "insert", "update"),
        "ledger": ("select", "insert"),
        "oldest_program": ("select",),
        "publications": ("select", "insert"),
        "settlements_due": ("select", "insert", "update", "delete"),
        "target_groups": ("select", "insert", "update"),
        "targets": ("select", "insert"),
    }
)
"""By table. To lock rows takes the right to update them. deploy/postgres/grants.sql gives just these."""


async def missing_rights(pool: asyncpg.Pool) -> list[str]:
    """The statements that would give us what we lack; none for tables that are not there. Raises OutageError."""
    needed = [(table, right) for table, rights in TABLE_RIGHTS.items() for right in rights]
    with postgres_errors():
        closed = await pool.fetch(QUERIES["closed_schemas"])
        rows = await pool.fetch(QUERIES["missing_rights"], *map(list, zip(*needed, strict=True)))
    missing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        missing[row["name"], row["who"]].append(row["needed"])
    schemas = [f"grant usage on schema {row['name']} to {row['who']}" for row in closed]
    return schemas + [f"grant {', '.join(rights)} on {table} to {who}" for (table, who), rights in missing.items()]


_ANY_BATCH = 1024
_REFUSALS = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}
_OF_WHO_MAY_ALL = {AclOperation.ALTER, AclOperation.CLUSTER_ACTION, AclOperation.CREATE, AclOperation.ALTER_CONFIGS}

TOPIC_OPERATIONS: Mapping[Topic, tuple[AclOperation, ...]] = MappingProxyType(
    {
        Topic.REQUESTS: (AclOperation.READ,),
        Topic.FACTS: (AclOperation.READ, AclOperation.WRITE),  # it tells itself of accounts to be settled again
        Topic.DEFINITIONS: (AclOperation.READ,),
        Topic.UNENROLLMENTS: (AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS),
        Topic.REJECTIONS: (AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS),
        Topic.REWARDS: (AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS),
        Topic.DEAD_LETTERS: (AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS),
    }
)
"""By topic. Who may read or write may describe as well. deploy/kafka/acls.sh gives just these."""


async def check_rights(settings: WorkerSettings, cluster: KafkaAdmin, pool: asyncpg.Pool) -> None:
    """Raise SetupError if the worker lacks a right that it needs, with what would give it. Raises OutageError."""
    missing = [*await missing_rights(pool), *await _missing_in_kafka(settings, cluster)]
    if missing:
        raise SetupError(f"rights are missing, which these would give: {'; '.join(missing)}")


async def _missing_in_kafka(settings: WorkerSettings, cluster: KafkaAdmin) -> list[str]:
    client = await cluster.client()
    with kafka_errors("asking for our rights"):
        if await _may_all(client):
            return []
        topics, group = await asyncio.gather(_of_topics(settings, client), _of_group(settings, client))
    return [
        f"kafka-acls.sh --add --allow-principal {_principal(settings)} {what}"
        for what in (*topics, *group, *await _of_transactions(settings))
    ]


async def _may_all(client: AdminClient) -> bool:
    """Whether nobody guards the cluster, or we are one of those who may do everything there."""
    found = await _answer(client.describe_cluster(include_authorized_operations=True, request_timeout=REQUEST_SECONDS))
    return set(found.authorized_operations or ()) >= _OF_WHO_MAY_ALL


async def _of_topics(settings: WorkerSettings, client: AdminClient) -> list[str]:
    needed = {settings.topic_prefix + word: operations for word, operations in TOPIC_OPERATIONS.items()}
    futures = client.describe_topics(
        TopicCollection(list(needed)), include_authorized_operations=True, request_timeout=REQUEST_SECONDS
    )
    return [
        f"{_operations(lacking)} --topic {name}"
        for name, future in futures.items()
        if (lacking := await _lacking(future, needed[name]))
    ]


async def _of_group(settings: WorkerSettings, client: AdminClient) -> list[str]:
    futures = client.describe_consumer_groups(
        [settings.group_id], include_authorized_operations=True, request_timeout=REQUEST_SECONDS
    )
    lacking = await _lacking(futures[settings.group_id], (AclOperation.READ,))
    return [f"{_operations(lacking)} --group {settings.group_id}"] if lacking else []


async def _of_transactions(settings: WorkerSettings) -> list[str]:
    """Nothing tells of the rights to a transactional id but to use it: here one that no lane has."""
    group = f"{settings.topic_prefix}:{settings.group_id}"
    trial = LaneProducer(
        settings, transactional_id=f"{group}:rights", group_id=settings.group_id, batch_bytes=_ANY_BATCH
    )
    try:
        async with trial:
            return []
    except SetupError:
        return [f"--operation Write --transactional-id {group}: --resource-pattern-type prefixed"]
    except OutageError:  # whoever needs it next waits for Kafka better than we do
        return []


async def _lacking(future: "Future[Any]", needed: Iterable[AclOperation]) -> list[AclOperation]:
    """What of the needed operations is not allowed. A broker that does not say what is gives no reason to complain."""
    try:
        allowed = (await _answer(future)).authorized_operations
    except KafkaException as error:
        return list(needed) if error.args[0].code() in _REFUSALS else []
    return [operation for operation in needed if operation not in allowed] if allowed else []


async def _answer(future: "Future[Any]") -> Any:  # noqa: ANN401 - untyped client
    return await asyncio.wait_for(asyncio.wrap_future(future), REQUEST_SECONDS + 1)


def _operations(operations: Iterable[AclOperation]) -> str:
    return " ".join(f"--operation {operation.name.title().replace('_', '')}" for operation in operations)


def _principal(settings: WorkerSettings) -> str:
    name = broker_text(settings.kafka_sasl_username) or broker_text(settings.kafka_sasl_oauth_client_id)
    return f"User:{name or '...'}"


log = structlog.get_logger()

_VERIFIED = {"verify-ca", "verify-full"}


def warn_not_encrypted(settings: WorkerSettings) -> None:
    """Say in the log what is spoken without TLS that is verified."""
    for why in not_encrypted(settings):
        log.warning("connection_not_encrypted", why=why)


def not_encrypted(settings: WorkerSettings) -> Iterator[str]:
    """What whoever runs the program would want to be told, a sentence for each server. It repeats no setting."""
    if not settings.kafka_security_protocol.endswith("SSL") and not all(
        _is_here(host) for host, *_ in collect_hosts(settings.kafka_bootstrap_servers, randomize=False)
    ):
        yield "Kafka is spoken to without TLS: set UNENROLL_KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL"
    url = urlsplit(settings.database_url.get_secret_value())
    options = parse_qs(url.query)
    host = options.get("host", [url.hostname or ""])[0]
    if not _is_here(host) and options.get("sslmode", [""])[0] not in _VERIFIED:
        yield (
            "nothing proves that Postgres is the one that is meant: "
            "add ?sslmode=verify-full&sslrootcert=FILE to UNENROLL_DATABASE_URL"
        )


def _is_here(host: str) -> bool:
    if host in {"", "localhost"} or host.startswith("/"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
