"""The command `unenroll`, killed by itself when its first batch reaches a phase; a replay's second one.

The product carries no fail points: this is the real command with one of its seams replaced.
"""

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from unenroll.batch.step import Step
from unenroll.cli import main
from unenroll.stream.producer import LaneProducer
from unenroll.wire.record import Message

_records_sent = False


def die_in_a_batch() -> None:
    """At once, like a machine that loses power, if a batch with records is under way."""
    if _records_sent:
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
    """From the first decided batch with outputs on, the phases count."""
    decide = Step.decide

    async def noticed(step: Step, *arguments: Any) -> Any:  # noqa: ANN401 - whatever the method takes
        global _records_sent  # noqa: PLW0603 - one process, one death
        decisions = await decide(step, *arguments)
        _records_sent = _records_sent or bool(decisions.messages)
        return decisions

    Step.decide = noticed  # type: ignore[assignment, method-assign]


def notice_publications() -> None:
    """From the first publication with messages on, the phases count."""
    publish = LaneProducer.publish

    async def noticed(producer: LaneProducer, messages: Sequence[Message], *arguments: Any) -> None:  # noqa: ANN401 - the same
        global _records_sent  # noqa: PLW0603 - the same
        await publish(producer, messages, *arguments)
        _records_sent = _records_sent or bool(messages)

    LaneProducer.publish = noticed  # type: ignore[assignment, method-assign]


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
    notice_publications()
    PHASES[phase]()
    main()
