"""Cases in which a server dies while one worker is at each phase of a batch."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from signal import SIGCONT, SIGKILL, SIGQUIT, SIGTERM, Signals

import pytest

from chaos.fault_scene import EARLY, LANES, Scene
from chaos.killable_servers import KillablePair, KillableServer
from support.batch_phases import PHASES, STRUCK
from support.workers import RunningCommand, command_with_fault

Verdicts = Mapping[str, "asyncio.Future[Mapping[str, list[str]]]"]
"""The violations by phase, or an exception if the worker did not go on. All futures are done."""

Scenes = Mapping[str, Scene]


async def _stays_down() -> None:
    """Nothing to do: the server stays down, and others take over."""


@dataclass(frozen=True, kw_only=True)
class Fall:
    """How to kill a server, and how to start it again."""

    falls: Callable[[], Awaitable[None]]
    rises: Callable[[], Awaitable[None]] = _stays_down


def _of(server: KillableServer, by: Signals) -> Fall:
    return Fall(falls=partial(server.kill, by), rises=server.start_again)


FALLS: dict[str, Callable[[KillablePair], Fall]] = {
    "broker killed": lambda pair: _of(pair.kafka, SIGKILL),
    "broker restarted": lambda pair: _of(pair.kafka, SIGTERM),
    "Postgres shut down at once": lambda pair: _of(pair.postgres, SIGQUIT),
}


def chosen(session: pytest.Session, fall: str = "") -> list[str]:
    """The phases that this session tests."""
    tried = [item.name for item in session.items]
    return [
        phase for phase in PHASES if any(fall in name and name.endswith((f"[{phase}]", f"-{phase}]")) for name in tried)
    ]


async def outlived(scenes: Scenes, fall: Fall) -> Verdicts:
    """Kill the server, and check how all workers go on."""
    with ExitStack() as stack, ThreadPoolExecutor(len(scenes)) as threads:
        workers = {
            phase: stack.enter_context(command_with_fault("held up", phase, "run", environment=scene.environment))
            for phase, scene in scenes.items()
        }
        await asyncio.to_thread(_be_amid, scenes, workers)
        await fall.falls()
        for worker in workers.values():
            worker.send_signal(SIGCONT)
        await fall.rises()
        verdicts = {
            phase: asyncio.wrap_future(threads.submit(_goes_on, scene, workers[phase]))
            for phase, scene in scenes.items()
        }
        await asyncio.wait(verdicts.values())
        return verdicts


def _be_amid(scenes: Scenes, workers: Mapping[str, RunningCommand]) -> None:
    """Bring all workers to their phases."""
    for worker in workers.values():
        worker.wait_for_log('"lane_opened"', times=LANES)
    for scene in scenes.values():
        scene.publish(EARLY)
    for worker in workers.values():
        worker.wait_for_log(STRUCK)


def _goes_on(scene: Scene, worker: RunningCommand) -> Mapping[str, list[str]]:
    scene.sample()
    scene.check_goes_on(worker)
    return asyncio.run(scene.verdict())
