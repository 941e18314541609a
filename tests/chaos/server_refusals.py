"""How a worker goes on whose servers refuse it something, once or for a while."""

import asyncio
from collections.abc import Callable

from chaos.fault_scene import EARLY, LATE, Scene
from support.postgres_proxy import Moment, cutting_proxy
from support.workers import RunningCommand, running_command

STATES = {
    "deadlock": "40P01",
    "serialization failure": "40001",
    "disk full": "53100",
    "read-only": "25006",
    "admin shutdown": "57P01",
    "canceled": "57014",
    "lock not available": "55P03",
    "overtaken": "23505",
}
"""What Postgres may say of a statement, or of a COMMIT, that has nothing to do with the records."""

TIMES = {"at a statement": "immediate", "at COMMIT": "deferred"}

_NO_RIGHT = "42501"
_PUBLICATION = b"insert into publications"
_TRIGGER = """
    create sequence strikes;
    create function strike() returns trigger language plpgsql as $$ begin
        if nextval('strikes') <= {strikes} then
            raise exception 'struck' using errcode = '{state}';
        end if;
        return null;
    end $$;
    create constraint trigger strike after insert on ledger deferrable initially {time}
        for each row execute function strike();
"""


def says(state: str, time: str) -> Callable[[Scene], None]:
    """Postgres refuses the first batch so, and no other."""

    def story(scene: Scene) -> None:
        scene.execute(_TRIGGER.format(strikes=1, state=state, time=time))
        with scene.worker() as worker:
            scene.publish(EARLY)
            scene.check_goes_on(worker)
        assert scene.value("select last_value from strikes") > 1

    return story


def lacks_a_right(scene: Scene) -> None:
    """A person has to act, which is said in one line."""
    scene.execute(_TRIGGER.format(strikes=1_000_000, state=_NO_RIGHT, time="immediate"))
    with scene.worker() as worker:
        scene.publish(EARLY)
        assert worker.wait() == 1
        assert worker.output().count("unenroll: Postgres lacks a table or a right") == 1
    scene.execute("drop trigger strike on ledger")
    scene.publish(LATE)
    scene.catch_up()


def cut(moment: Moment) -> Callable[[Scene], None]:
    """The connection is cut around the COMMIT of the first batch."""
    return lambda scene: asyncio.run(_cut(scene, moment))


async def _cut(scene: Scene, moment: Moment) -> None:
    async with cutting_proxy(scene.deployment.database_url, commits=1, moment=moment, behind=_PUBLICATION) as way:
        environment = {**scene.environment, "UNENROLL_DATABASE_URL": way.database_url}
        with running_command("run", environment=environment) as worker:
            await asyncio.to_thread(_told_and_goes_on, scene, worker)
        assert way.left == 0


def _told_and_goes_on(scene: Scene, worker: RunningCommand) -> None:
    scene.publish(EARLY)
    scene.check_goes_on(worker)


def topic_refuses(name: str, value: str, usual: str) -> Callable[[Scene], None]:
    """An output topic takes nothing for a while."""

    def story(scene: Scene) -> None:
        with scene.worker() as worker:
            scene.deployment.configure("rewards", name, value)
            _waits(scene, worker)
            scene.deployment.configure("rewards", name, usual)
            scene.check_goes_on(worker)

    return story


def topic_is_away(scene: Scene) -> None:
    """An output topic is deleted, and made again later."""
    with scene.worker() as worker:
        scene.deployment.delete_topic("rewards")
        _waits(scene, worker)
        scene.deployment.create_topic("rewards")
        scene.check_goes_on(worker)


def _waits(scene: Scene, worker: RunningCommand) -> None:
    scene.publish(EARLY)
    worker.wait_for_log('"server_unavailable"')
    assert worker.output().count('"server_unavailable"') == 1
