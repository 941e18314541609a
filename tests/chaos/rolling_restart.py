"""The case of a rolling restart: a new worker replaces each one in turn."""

from contextlib import ExitStack
from itertools import cycle
from signal import SIGTERM

from chaos.fault_scene import EARLY, LANES, LATE, Scene
from support.crowd import Crowd
from support.workers import Running, running

_WORKERS = 2


def rolling_restart(scene: Scene) -> None:
    """Stop each worker in the middle of its work, the second after the first is replaced."""
    with ExitStack() as stack:

        def starts() -> Running:
            return stack.enter_context(running("run", environment=scene.environment))

        workers = [starts() for _ in range(_WORKERS)]
        _share_the_lanes(workers)
        for number, some in zip(cycle(range(_WORKERS)), (EARLY, LATE), strict=False):
            _stops_amid(scene, workers[number], some)
            workers[number] = starts()
            _share_the_lanes(workers)
        scene.wait_for_lanes(workers[0])
        for worker in workers:
            worker.tell(SIGTERM)
            assert worker.wait() == 0


def _share_the_lanes(workers: list[Running]) -> None:
    for worker in workers:
        worker.wait_to_say('"lane_opened"', times=LANES // _WORKERS)


def _stops_amid(scene: Scene, worker: Running, some: Crowd) -> None:
    done = worker.output().count('"batch_published"')
    scene.tell(some)
    worker.wait_to_say('"batch_published"', times=done + 1)
    worker.tell(SIGTERM)
    assert worker.wait() == 0
