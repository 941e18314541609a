"""How workers go on whose server falls: one worker for each phase of a batch, and all at the same moment."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from signal import SIGCONT, SIGKILL, SIGQUIT, SIGTERM, Signals

import pytest

from chaos.fault_scene import EARLY, LANES, Scene
from chaos.killable_servers import Mortal, Mortals
from support.phases import PHASES, STRUCK
from support.workers import Running, struck

Verdicts = Mapping[str, "asyncio.Future[Mapping[str, list[str]]]"]
"""What is wrong in the end, by phase; an exception if the worker did not go on as it must. All are there."""

Scenes = Mapping[str, Scene]


async def _stays_down() -> None:
    """Others are there."""


@dataclass(frozen=True, kw_only=True)
class Fall:
    """How a server falls, and how it comes back."""

    falls: Callable[[], Awaitable[None]]
    rises: Callable[[], Awaitable[None]] = _stays_down


def _of(server: Mortal, by: Signals) -> Fall:
    return Fall(falls=partial(server.fall, by), rises=server.rise)


FALLS: dict[str, Callable[[Mortals], Fall]] = {
    "broker killed": lambda pair: _of(pair.kafka, SIGKILL),
    "broker restarted": lambda pair: _of(pair.kafka, SIGTERM),
    "Postgres shut down at once": lambda pair: _of(pair.postgres, SIGQUIT),
}


def chosen(session: pytest.Session, fall: str = "") -> list[str]:
    """The phases that the session is to try."""
    tried = [item.name for item in session.items]
    return [
        phase for phase in PHASES if any(fall in name and name.endswith((f"[{phase}]", f"-{phase}]")) for name in tried)
    ]


async def outlived(scenes: Scenes, fall: Fall) -> Verdicts:
    """Let the server fall, and see how all of them go on."""
    with ExitStack() as stack, ThreadPoolExecutor(len(scenes)) as threads:
        workers = {
            phase: stack.enter_context(struck("held up", phase, "run", environment=scene.environment))
            for phase, scene in scenes.items()
        }
        await asyncio.to_thread(_be_amid, scenes, workers)
        await fall.falls()
        for worker in workers.values():
            worker.tell(SIGCONT)
        await fall.rises()
        verdicts = {
            phase: asyncio.wrap_future(threads.submit(_goes_on, scene, workers[phase]))
            for phase, scene in scenes.items()
        }
        await asyncio.wait(verdicts.values())
        return verdicts


def _be_amid(scenes: Scenes, workers: Mapping[str, Running]) -> None:
    """Have all workers at their phases, none of them for long."""
    for worker in workers.values():
        worker.wait_to_say('"lane_opened"', times=LANES)
    for scene in scenes.values():
        scene.tell(EARLY)
    for worker in workers.values():
        worker.wait_to_say(STRUCK)


def _goes_on(scene: Scene, worker: Running) -> Mapping[str, list[str]]:
    scene.look()
    scene.goes_on(worker)
    return asyncio.run(scene.verdict())
