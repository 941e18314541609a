"""Runs a command that kills itself at a moment of its work: while publishing, sending or erasing."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

from aiokafka import AIOKafkaProducer

from support.batch_phases import replace
from support.workers import RunningCommand
from unenroll.cli import main
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.ops.erase import erase as erase_module
from unenroll.ops.erase import outbox as outbox_module
from unenroll.ops.publish import Sender
from unenroll.wire.topics import Message

Strike = Callable[[], None]


def _before(owner: type, name: str, strike: Strike) -> None:
    original = getattr(owner, name)

    async def first(*arguments: Any) -> Any:  # noqa: ANN401 - whatever the method takes
        strike()
        return await original(*arguments)

    setattr(owner, name, first)


def _after(owner: type, name: str, strike: Strike) -> None:
    original = getattr(owner, name)

    async def last(*arguments: Any) -> None:  # noqa: ANN401 - whatever the method takes
        await original(*arguments)
        strike()

    setattr(owner, name, last)


PUBLISHING: Mapping[str, Callable[[Strike], None]] = {
    "noted": partial(_before, LaneProducer, "publish_to_partitions"),
    "begun": partial(_after, AIOKafkaProducer, "begin_transaction"),
    "sent": partial(_before, AIOKafkaProducer, "send_offsets_to_transaction"),
    "offsets sent": partial(_before, AIOKafkaProducer, "commit_transaction"),
    "committed": partial(_after, AIOKafkaProducer, "commit_transaction"),
}
"""The moments of a transaction that a command publishes."""


def _live_until(phase: str, transaction: int) -> None:
    left = transaction

    def strike() -> None:
        """Die at once, like a machine that loses power."""
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    PUBLISHING[phase](strike)
    main()


@contextmanager
def killed_command(
    phase: str, *arguments: str, environment: Mapping[str, str], transaction: int = 1
) -> Iterator[RunningCommand]:
    """The command with these arguments, which kills itself when this transaction of it is so far."""
    command = RunningCommand(partial(_live_until, phase, transaction), arguments, environment)
    try:
        yield command
    finally:
        command.end()


def _send_two() -> None:
    """Be the command until two messages of it have arrived on a topic."""
    send = Sender.send
    sent = count(1)

    def last(sender: Sender, message: Message) -> None:
        send(sender, message)
        if next(sent) == 2:
            sender.finish()
            os.kill(os.getpid(), signal.SIGKILL)

    Sender.send = last  # type: ignore[assignment, method-assign]
    main()


@contextmanager
def killed_sender(*arguments: str, environment: Mapping[str, str]) -> Iterator[RunningCommand]:
    """The command with these arguments, killed by itself when two messages of it have arrived."""
    command = RunningCommand(_send_two, arguments, environment)
    try:
        yield command
    finally:
        command.end()


async def _die() -> None:
    """At once, like a machine that loses power."""
    os.kill(os.getpid(), signal.SIGKILL)


def _always(*_: object) -> bool:
    return True


ERASE_MOMENTS: Mapping[str, Callable[[], None]] = {
    "before record": partial(replace, erase_module, "record_erasure", first=_die, last=None, when=_always),
    "after record": partial(replace, erase_module, "record_erasure", first=None, last=_die, when=_always),
    "after rewrite": partial(replace, outbox_module, "replace_batch", first=None, last=_die, when=_always),
    "before sweep": partial(replace, erase_module, "erase_remaining", first=_die, last=None, when=_always),
}
"""The moments at which an erasure can be killed."""


def _erase_until(moment: str) -> None:
    ERASE_MOMENTS[moment]()
    main()


@contextmanager
def killed_erase(moment: str, customer: int, *, environment: Mapping[str, str]) -> Iterator[RunningCommand]:
    """The command `erase`, which kills itself at this moment."""
    command = RunningCommand(partial(_erase_until, moment), ("erase", f"--customer={customer}"), environment)
    try:
        yield command
    finally:
        command.end()
