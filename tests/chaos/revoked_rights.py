"""Cases in which the worker loses a right in Kafka: it ends with one line, and another goes on later."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from signal import SIGTERM

from confluent_kafka.admin import (  # type: ignore[attr-defined] # exported, but not said to be
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from chaos.fault_scene import EARLY, LATE, Scene
from chaos.killable_servers import KillableServer
from support.deployment import Deployment, wait_for_result
from unenroll.sandbox.kafka import CONFIG

What = tuple[AclOperation, ResourceType, Callable[[Deployment], str]]

RIGHTS: dict[str, What] = {
    "to write to an output topic": (
        AclOperation.WRITE,
        ResourceType.TOPIC,
        lambda deployment: f"{deployment.prefix}rewards",
    ),
    "to see an output topic": (
        AclOperation.DESCRIBE,
        ResourceType.TOPIC,
        lambda deployment: f"{deployment.prefix}rewards",
    ),
    "to begin a transaction": (AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, lambda deployment: deployment.prefix),
    "to commit for the group": (AclOperation.READ, ResourceType.GROUP, lambda deployment: deployment.group_id),
}


_ANY = (AclOperation.ANY, AclPermissionType.ANY)
_AUTHORIZER = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"""


async def can_deny(kafka: KillableServer) -> None:
    """Restart the broker with ACLs enabled."""
    await kafka.kill(SIGTERM)
    with (kafka.server.program.folder / CONFIG).open("a", encoding="utf-8") as settings:
        settings.write(_AUTHORIZER)
    await kafka.start_again()


def lacks(scene: Scene, right: str) -> None:
    """The worker ends with one line that names the right: an operator has to act."""
    with scene.worker() as worker, _denied(scene.deployment, right):
        scene.publish(EARLY)
        assert worker.wait() == 1
        assert worker.output().count("unenroll: Kafka refuses") == 1
    scene.publish(LATE)
    scene.catch_up()


@contextmanager
def _denied(deployment: Deployment, right: str) -> Iterator[None]:
    """Deny the right to everybody until the end of the block."""
    operation, kind, name = RIGHTS[right]
    admin, pattern = (
        AdminClient({"bootstrap.servers": deployment.kafka}),
        (kind, name(deployment), ResourcePatternType.PREFIXED),
    )
    rule = partial(AclBinding, *pattern, "User:*", "*")
    allowed = rule(AclOperation.ALL, AclPermissionType.ALLOW)  # where there is a rule, nothing else is allowed
    wait_for_result(admin.create_acls, [allowed, rule(operation, AclPermissionType.DENY)])
    try:
        yield
    finally:
        every = AclBindingFilter(*pattern, None, None, *_ANY)  # type: ignore[arg-type] # None is any as well
        wait_for_result(admin.delete_acls, [every])
