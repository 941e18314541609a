"""Cases in which a fault hits a worker's own process at a phase of a batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIGCONT, SIGKILL, SIGTERM

from chaos.fault_scene import EARLY, LANES, LATE, Scene
from support.batch_phases import PHASES, STRUCK
from support.workers import RunningCommand, command_with_fault, running_command, wait_until

Story = Callable[[Scene, str, str], None]

_IN_POSTGRES = ("copying", "deciding")
_IN_KAFKA = ("begun", "sent", "offsets sent", "commit sent", "committed")


@contextmanager
def faulty_worker(scene: Scene, fault: str, phase: str) -> Iterator[RunningCommand]:
    """Run a worker until the fault has hit it."""
    scene.publish(EARLY)
    with command_with_fault(fault, phase, "run", environment=scene.environment) as worker:
        worker.wait_for_log(STRUCK)
        yield worker


def dies(scene: Scene, fault: str, phase: str) -> None:
    """The worker dies, and another one takes over."""
    with faulty_worker(scene, fault, phase) as worker:
        assert worker.wait() == -SIGKILL
    others_go_on(scene)


def ends(scene: Scene, fault: str, phase: str) -> None:
    """The worker ends with exit code 0, and another one goes on."""
    with faulty_worker(scene, fault, phase) as worker:
        assert worker.wait() == 0
    others_go_on(scene)


def others_go_on(scene: Scene) -> None:
    scene.sample()
    scene.publish(LATE)
    scene.catch_up()


def wakes_up(scene: Scene, fault: str, phase: str) -> None:
    """The worker wakes up after another one has taken over: it does no harm, and works again."""
    with faulty_worker(scene, fault, phase) as zombie:
        scene.catch_up()
        scene.sample()
        zombie.send_signal(SIGCONT)
        scene.check_goes_on(zombie)


def recovers(scene: Scene, fault: str, phase: str) -> None:
    """The worker goes on by itself."""
    with faulty_worker(scene, fault, phase) as worker:
        scene.check_goes_on(worker)


def comes_too_late(scene: Scene, fault: str, phase: str) -> None:
    """The worker wakes up after the coordinator has aborted its transaction."""
    with faulty_worker(scene, fault, phase) as worker:
        wait_until(scene.nothing_is_open, "the coordinator to abort the transaction", show=worker.output)
        worker.send_signal(SIGCONT)
        scene.check_goes_on(worker)


def shares(scene: Scene, fault: str, phase: str) -> None:
    """Another worker gets lanes in the middle of a batch, and gives them back when it leaves."""
    with faulty_worker(scene, fault, phase) as worker:
        with running_command("run", environment=scene.environment) as other:
            other.wait_for_log('"lane_opened"', times=LANES // 2)
            other.send_signal(SIGTERM)
            assert other.wait() == 0
        scene.check_goes_on(worker)


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
"""For each fault: the case, and the phases at which the fault makes sense."""
