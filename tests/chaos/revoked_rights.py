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
from support.place import Place, done
from unenroll.sandbox.kafka import CONFIG

What = tuple[AclOperation, ResourceType, Callable[[Place], str]]

RIGHTS: dict[str, What] = {
    "to write to an output topic": (AclOperation.WRITE, ResourceType.TOPIC, lambda place: f"{place.prefix}rewards"),
    "to see an output topic": (AclOperation.DESCRIBE, ResourceType.TOPIC, lambda place: f"{place.prefix}rewards"),
    "to begin a transaction": (AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, lambda place: place.prefix),
    "to commit for the group": (AclOperation.READ, ResourceType.GROUP, lambda place: place.group_id),
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
    with scene.worker() as worker, _denied(scene.place, right):
        scene.tell(EARLY)
        assert worker.wait() == 1
        assert worker.output().count("unenroll: Kafka refuses") == 1
    scene.tell(LATE)
    scene.catch_up()


@contextmanager
def _denied(place: Place, right: str) -> Iterator[None]:
    """Deny the right to everybody until the end of the block."""
    operation, kind, name = RIGHTS[right]
    admin, pattern = AdminClient({"bootstrap.servers": place.kafka}), (kind, name(place), ResourcePatternType.PREFIXED)
    rule = partial(AclBinding, *pattern, "User:*", "*")
    allowed = rule(AclOperation.ALL, AclPermissionType.ALLOW)  # where there is a rule, nothing else is allowed
    done(admin.create_acls, [allowed, rule(operation, AclPermissionType.DENY)])
    try:
        yield
    finally:
        every = AclBindingFilter(*pattern, None, None, *_ANY)  # type: ignore[arg-type] # None is any as well
        done(admin.delete_acls, [every])
