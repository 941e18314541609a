"""The command `unenroll`, killed by itself at a call: for commands that send one thing after the other."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer

from stage.workers import Running
from unenroll.cli import main
from unenroll.stream.producer import LaneProducer


def _die() -> None:
    """At once, like a machine that loses power."""
    os.kill(os.getpid(), signal.SIGKILL)


def _before(owner: type, name: str) -> None:
    setattr(owner, name, lambda *_, **__: _die())


def _after(owner: type, name: str) -> None:
    original = getattr(owner, name)

    async def last(*arguments: Any, **named: Any) -> None:  # noqa: ANN401 - whatever the method takes
        await original(*arguments, **named)
        _die()

    setattr(owner, name, last)


PUBLISHING: Mapping[str, Callable[[], None]] = {
    "noted": partial(_before, LaneProducer, "publish_there"),
    "begun": partial(_after, AIOKafkaProducer, "begin_transaction"),
    "sent": partial(_before, AIOKafkaProducer, "send_offsets_to_transaction"),
    "offsets sent": partial(_before, AIOKafkaProducer, "commit_transaction"),
    "committed": partial(_after, AIOKafkaProducer, "commit_transaction"),
}
"""The moments of a transaction that a command publishes."""


def _live_until(phase: str) -> None:
    PUBLISHING[phase]()
    main()


@contextmanager
def dying(phase: str, *arguments: str, environment: Mapping[str, str]) -> Iterator[Running]:
    """The command with these arguments, which kills itself when its first transaction is so far."""
    command = Running(partial(_live_until, phase), arguments, environment)
    try:
        yield command
    finally:
        command.end()
