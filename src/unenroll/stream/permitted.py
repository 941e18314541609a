"""What the worker needs to be allowed to do, looked at before it begins: all that is missing is told at once."""

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from types import MappingProxyType
from typing import Any

import asyncpg
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined] # exported, but not said to be

from unenroll.errors import OutageError, SetupError
from unenroll.settings import WorkerSettings
from unenroll.store.rights import missing_rights
from unenroll.stream.clients import REQUEST_SECONDS, text
from unenroll.stream.cluster import Cluster
from unenroll.stream.outage import kafka_errors
from unenroll.stream.producer import LaneProducer
from unenroll.wire.names import Topic

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


async def check_rights(settings: WorkerSettings, cluster: Cluster, pool: asyncpg.Pool) -> None:
    """Raise SetupError if the worker lacks a right that it needs, with what would give it. Raises OutageError."""
    missing = [*await missing_rights(pool), *await _missing_in_kafka(settings, cluster)]
    if missing:
        raise SetupError(f"rights are missing, which these would give: {'; '.join(missing)}")


async def _missing_in_kafka(settings: WorkerSettings, cluster: Cluster) -> list[str]:
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
    name = text(settings.kafka_sasl_username) or text(settings.kafka_sasl_oauth_client_id)
    return f"User:{name or '...'}"
