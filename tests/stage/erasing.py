"""`unenroll erase`, killed by itself between two of its steps."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from stage.phases import replace
from stage.workers import Running
from unenroll.cli import main
from unenroll.ops.erase import erase as erasing
from unenroll.ops.erase import outbox as rewriting

MOMENTS = ("entombing", "entombed", "rewriting", "sweeping")


async def _die() -> None:
    """At once, like a machine that loses power."""
    os.kill(os.getpid(), signal.SIGKILL)


def _always(*_: object) -> bool:
    return True


def _live_until(moment: str) -> None:
    if moment == "entombing":
        replace(erasing, "entomb", first=_die, last=None, when=_always)
    elif moment == "entombed":
        replace(erasing, "entomb", first=None, last=_die, when=_always)
    elif moment == "rewriting":
        replace(rewriting, "rewrite", first=None, last=_die, when=_always)
    else:
        replace(erasing, "sweep", first=_die, last=None, when=_always)
    main()


@contextmanager
def dying_erase(moment: str, customer: int, *, environment: Mapping[str, str]) -> Iterator[Running]:
    """The command, killed at the moment."""
    command = Running(partial(_live_until, moment), ("erase", f"--customer={customer}"), environment)
    try:
        yield command
    finally:
        command.end()
