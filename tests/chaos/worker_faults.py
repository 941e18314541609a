"""How a worker goes on that a fault of its own process befell at a phase of a batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIGCONT, SIGKILL, SIGTERM

from chaos.fault_scene import EARLY, LANES, LATE, Scene
from support.phases import PHASES, STRUCK
from support.workers import Running, running, struck, wait_until

Story = Callable[[Scene, str, str], None]

_IN_POSTGRES = ("copying", "deciding")
_IN_KAFKA = ("begun", "sent", "offsets sent", "commit sent", "committed")


@contextmanager
def befallen(scene: Scene, fault: str, phase: str) -> Iterator[Running]:
    """A worker that the fault has just befallen."""
    scene.tell(EARLY)
    with struck(fault, phase, "run", environment=scene.environment) as worker:
        worker.wait_to_say(STRUCK)
        yield worker


def dies(scene: Scene, fault: str, phase: str) -> None:
    """The machine is gone, and another one takes over."""
    with befallen(scene, fault, phase) as worker:
        assert worker.wait() == -SIGKILL
    others_go_on(scene)


def ends(scene: Scene, fault: str, phase: str) -> None:
    """It ends as it should when asked to, and another one goes on."""
    with befallen(scene, fault, phase) as worker:
        assert worker.wait() == 0
    others_go_on(scene)


def others_go_on(scene: Scene) -> None:
    scene.look()
    scene.tell(LATE)
    scene.catch_up()


def wakes_up(scene: Scene, fault: str, phase: str) -> None:
    """Another one has taken over by then: it must do no harm, and be of use again."""
    with befallen(scene, fault, phase) as zombie:
        scene.catch_up()
        scene.look()
        zombie.tell(SIGCONT)
        scene.goes_on(zombie)


def recovers(scene: Scene, fault: str, phase: str) -> None:
    """It goes on by itself."""
    with befallen(scene, fault, phase) as worker:
        scene.goes_on(worker)


def comes_too_late(scene: Scene, fault: str, phase: str) -> None:
    """Its transaction was ended for it meanwhile."""
    with befallen(scene, fault, phase) as worker:
        wait_until(scene.nothing_is_open, "the coordinator to abort the transaction", show=worker.output)
        worker.tell(SIGCONT)
        scene.goes_on(worker)


def shares(scene: Scene, fault: str, phase: str) -> None:
    """It gives lanes to another one in the middle of a batch, and gets them back when that one leaves."""
    with befallen(scene, fault, phase) as worker:
        with running("run", environment=scene.environment) as other:
            other.wait_to_say('"lane_opened"', times=LANES // 2)
            other.tell(SIGTERM)
            assert other.wait() == 0
        scene.goes_on(worker)


STORIES: dict[str, tuple[Story, tuple[str, ...]]] = {
    "killed": (dies, tuple(PHASES)),
    "frozen": (wakes_up, tuple(PHASES)),
    "blocked": (wakes_up, tuple(PHASES)),
    "asked to stop": (ends, tuple(PHASES)),
    "cut off": (ends, tuple(PHASES)),
    "joined by another": (shares, tuple(PHASES)),
    "backends terminated": (recovers, tuple(PHASES)),
    "socket broken": (recovers, (*_IN_POSTGRES, *(phase for phase in _IN_KAFKA if phase != "commit sent"))),
    "answer lost": (recovers, ("commit sent",)),
    "too slow": (recovers, _IN_KAFKA),
    "transaction timed out": (comes_too_late, ("sent", "offsets sent")),
}
"""By fault: how it goes on, and the phases at which the fault makes sense."""
