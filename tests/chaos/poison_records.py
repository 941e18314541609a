"""Cases of unreadable records at different places of a batch."""

from collections.abc import Callable
from functools import partial

from chaos.fault_scene import EARLY, LANES, LATE, Scene
from support.topics import NewRecord
from support.workers import run_command
from unenroll.kafka.topics import INPUTS

_SMALL, _LARGE = 25, 1_000

Part = Callable[[Scene], None]


def _poison(scene: Scene, *, times: int = 1) -> None:
    """Put unreadable records on every partition, no two alike."""
    places = [(partition, time) for partition in range(LANES) for time in range(times)]
    for word in INPUTS:
        scene.produce(
            word, [NewRecord(key=b"p%d" % at, value=b"{ %d %d" % (at, time), partition=at) for at, time in places]
        )


def _early(scene: Scene) -> None:
    scene.publish(EARLY)


def _late(scene: Scene) -> None:
    scene.publish(LATE)


ORDERS: dict[str, tuple[Part, ...]] = {
    "first": (_poison, _early, _late),
    "amid": (_early, _poison, _late),
    "last": (_early, _late, _poison),
    "a whole batch of it": (partial(_poison, times=_SMALL), _early, _late),
}


def poisoned(order: str) -> Callable[[Scene], None]:
    """The case of this order. All records are there before the worker starts, so its batches are full."""

    def story(scene: Scene) -> None:
        for part in ORDERS[order]:
            part(scene)
        most = _SMALL if order == "a whole batch of it" else _LARGE
        run_command("run", "--until-caught-up", environment={**scene.environment, "UNENROLL_BATCH_RECORDS": str(most)})

    return story
