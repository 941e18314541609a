"""The case of a rolling restart: a new worker replaces each one in turn."""

from contextlib import ExitStack
from itertools import cycle
from signal import SIGTERM

from chaos.fault_scene import EARLY, LANES, LATE, Scene
from support.workers import RunningCommand, running_command
from support.workload import Workload

_WORKERS = 2


def rolling_restart(scene: Scene) -> None:
    """Stop each worker in the middle of its work, the second after the first is replaced."""
    with ExitStack() as stack:

        def starts() -> RunningCommand:
            return stack.enter_context(running_command("run", environment=scene.environment))

        workers = [starts() for _ in range(_WORKERS)]
        _share_the_lanes(workers)
        for number, some in zip(cycle(range(_WORKERS)), (EARLY, LATE), strict=False):
            _stops_amid(scene, workers[number], some)
            workers[number] = starts()
            _share_the_lanes(workers)
        scene.wait_for_lanes(workers[0])
        for worker in workers:
            worker.send_signal(SIGTERM)
            assert worker.wait() == 0


def _share_the_lanes(workers: list[RunningCommand]) -> None:
    for worker in workers:
        worker.wait_for_log('"lane_opened"', times=LANES // _WORKERS)


def _stops_amid(scene: Scene, worker: RunningCommand, some: Workload) -> None:
    done = worker.output().count('"batch_published"')
    scene.publish(some)
    worker.wait_for_log('"batch_published"', times=done + 1)
    worker.send_signal(SIGTERM)
    assert worker.wait() == 0
