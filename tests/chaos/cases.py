"""All cases of one fault by name, and which of them every test run tries."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import pytest
from _pytest.mark import ParameterSet

from chaos.fault_scene import Scene
from chaos.poison_records import ORDERS, poisoned
from chaos.revoked_rights import RIGHTS
from chaos.rolling_restart import rolling_restart
from chaos.server_refusals import STATES, TIMES, cut, lacks_a_right, says, topic_is_away, topic_refuses
from chaos.worker_faults import STORIES, Story
from support.batch_phases import PHASES
from support.postgres_proxy import Moment

_SOME = frozenset({"deciding", "commit sent"})
_ALSO = frozenset({"killed, decided", "killed, begun", "frozen, sent"})
_SELDOM = frozenset(RIGHTS)
_SELDOM_WHEN = " at a statement"


def tried(names: Iterable[str]) -> list[str | ParameterSet]:
    """Parameters for parametrize: names of cases, which end with their phase if they have one, or phases.

    Every run tries each fault at some phases, and what Postgres refuses at COMMIT. The others are marked thorough.
    """
    return [name if _always(name) else pytest.param(name, marks=pytest.mark.thorough) for name in names]


def _always(name: str) -> bool:
    phase = name.rpartition(", ")[2]
    if name in _SELDOM or name.endswith(_SELDOM_WHEN):
        return False
    return phase not in PHASES or phase in _SOME or name in _ALSO


Case = Callable[[Scene], None]


def _worker_cases() -> Iterator[tuple[str, Case]]:
    for fault, (story, phases) in STORIES.items():
        for phase in phases:
            yield f"{fault}, {phase}", _at(story, fault, phase)


def _at(story: Story, fault: str, phase: str) -> Case:
    return lambda scene: story(scene, fault, phase)


def _postgres_cases() -> Iterator[tuple[str, Case]]:
    for name, state in STATES.items():
        for when, time in TIMES.items():
            yield f"{name} {when}", says(state, time)
    for moment in Moment:
        yield f"connection cut {moment.value}", cut(moment)
    yield "a right is missing", lacks_a_right


def _record_cases() -> Iterator[tuple[str, Case]]:
    for order in ORDERS:
        yield f"poison, {order}", poisoned(order)


def _kafka_cases() -> Iterator[tuple[str, Case]]:
    yield "a topic takes no message this large", topic_refuses("max.message.bytes", "200", "1048588")
    yield "a topic is away", topic_is_away
    yield "rolling restart", rolling_restart


CASES: Mapping[str, Case] = {
    **dict(_worker_cases()),
    **dict(_postgres_cases()),
    **dict(_kafka_cases()),
    **dict(_record_cases()),
}
