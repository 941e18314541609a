"""The command `unenroll`, killed by itself when its first batch with outputs reaches a phase.

The product carries no fail points: this is the real command with one of its seams replaced.
"""

import os
import signal
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from aiokafka import AIOKafkaProducer

from unenroll.batch.step import Step
from unenroll.cli import main
from unenroll.stream.producer import LaneProducer

_with_outputs = ContextVar("_with_outputs", default=False)
"""Whether this lane's batch has outputs. A lane is one task: what another one is about tells nothing of it."""


def die_in_a_batch() -> None:
    """At once, like a machine that loses power, if a batch with outputs is under way in this lane."""
    if _with_outputs.get():
        os.kill(os.getpid(), signal.SIGKILL)


def live_on() -> None:
    """Not yet."""


def before(owner: type, name: str) -> None:
    """Die where the method would begin."""
    _replace(owner, name, first=die_in_a_batch, last=live_on)


def after(owner: type, name: str) -> None:
    """Die where the method has ended."""
    _replace(owner, name, first=live_on, last=die_in_a_batch)


def _replace(owner: type, name: str, *, first: Callable[[], None], last: Callable[[], None]) -> None:
    original = getattr(owner, name)

    async def replaced(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the method takes
        first()
        result = await original(*arguments, **named)
        last()
        return result

    setattr(owner, name, replaced)


def notice_batches() -> None:
    """The phases count in a batch that was decided and has outputs."""
    decide = Step.decide

    async def noticed(step: Step, *arguments: Any) -> Any:  # noqa: ANN401 - whatever the method takes
        decisions = await decide(step, *arguments)
        _with_outputs.set(bool(decisions.messages))
        return decisions

    Step.decide = noticed  # type: ignore[assignment, method-assign]


PHASES: dict[str, Callable[[], None]] = {
    "decided": lambda: before(LaneProducer, "publish"),
    "begun": lambda: after(AIOKafkaProducer, "begin_transaction"),
    "sent": lambda: before(AIOKafkaProducer, "send_offsets_to_transaction"),
    "offsets sent": lambda: before(AIOKafkaProducer, "commit_transaction"),
    "committed": lambda: after(AIOKafkaProducer, "commit_transaction"),
}


def live_until(phase: str) -> None:
    """Be the command until then. To be called in a process of its own."""
    notice_batches()
    PHASES[phase]()
    main()
