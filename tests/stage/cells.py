"""Two databases that share the lanes of one group, and a mover that can be killed at each step of its way."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace as changed

import asyncpg

from stage.phases import Strike, replace
from stage.place import Place
from stage.workers import Running, run, running, started
from unenroll.cells import moving, passage
from unenroll.cells.moving import Moving
from unenroll.cells.passage import Passage
from unenroll.cli import main
from unenroll.lane_numbers import read_numbers
from unenroll.store.copying import Copying

MOVED = "1,3"

_DECIDED = "select partition, sequence from lanes where partition = any($1::integer[])"
_MORE = 2


def _anyway(*_: object) -> bool:
    return True


def _behind(owner: type, name: str) -> Callable[[Strike], None]:
    return lambda strike: replace(owner, name, first=None, last=strike, when=_anyway)


STEPS: dict[str, Callable[[Strike], None]] = {
    "prepared": _behind(Moving, "prepare"),
    "awaited": _behind(Moving, "passages"),
    "some copied": _behind(Copying, "customers"),
    "copied ahead": _behind(Moving, "copy"),
    "held": lambda strike: replace(passage, "hold_leaving", first=None, last=strike, when=_anyway),
    "drained": _behind(Passage, "hold"),
    "copied": _behind(Passage, "copy_rest"),
    "written": _behind(Passage, "_write"),
    "gone": _behind(Passage, "hand_over"),
    "arrived": _behind(Passage, "arrive"),
    "some forgotten": lambda strike: replace(moving, "forget", first=None, last=strike, when=_anyway),
    "forgotten": lambda strike: replace(moving, "forgotten", first=None, last=strike, when=_anyway),
}


def move_patiently(lanes: str) -> None:
    """Be the command, and do not hold lanes before much was decided in them that is not copied."""

    async def until_more_is_decided() -> None:
        connection = await asyncpg.connect(os.environ["UNENROLL_DATABASE_URL"])
        try:
            numbers = read_numbers(lanes)
            before = {row[0]: row[1] for row in await connection.fetch(_DECIDED, numbers)}
            while True:
                now = {row[0]: row[1] for row in await connection.fetch(_DECIDED, numbers)}
                if all(now[number] > before[number] + _MORE for number in numbers):
                    return
                await asyncio.sleep(0.02)  # between two looks; the test has the deadline
        finally:
            await connection.close()

    STEPS["copied ahead"](until_more_is_decided)
    main()


def move_until(step: str) -> None:
    """Be the command, until it is killed right behind the step."""

    async def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    STEPS[step](die)
    main()


def other(place: Place, database_url: str) -> Place:
    """The same topics and group, with another database."""
    return changed(place, database_url=database_url)


def mover(here: Place, there: Place) -> dict[str, str]:
    """What the mover is told."""
    return {**here.environment, "UNENROLL_TO_DATABASE_URL": there.database_url}


def move(here: Place, there: Place, lanes: str = MOVED) -> None:
    """Move the lanes, to the end."""
    run("cells", "move", "--lanes", lanes, "--why", "test", environment=mover(here, there))


def move_under_load(here: Place, there: Place) -> None:
    """The same, with much to copy once the lanes are held."""
    told = ("cells", "move", "--lanes", MOVED, "--why", "test")
    with started(move_patiently, MOVED, *told, environment=mover(here, there)) as one:
        assert one.wait() == 0, one.output()


def moved_until(step: str, here: Place, there: Place) -> int:
    """Move the lanes until the mover is killed behind the step. Returns how it ended."""
    with started(
        move_until, step, "cells", "move", "--lanes", MOVED, "--why", "test", environment=mover(here, there)
    ) as one:
        return one.wait()


@contextmanager
def working(*places: Place) -> Iterator[list[Running]]:
    """A worker at each of the places that takes every lane that is there."""
    taking = {"UNENROLL_LANES": "0-3", "UNENROLL_BATCH_RECORDS": "20", "UNENROLL_DEFINITION_WAIT_MS": "100"}
    if len(places) == 1:
        with running("run", environment={**places[0].environment, **taking}) as last:
            yield [last]
        return
    with running("run", environment={**places[0].environment, **taking}) as first, working(*places[1:]) as others:
        yield [first, *others]
