"""Kafka's part: a transactional id with one newest producer, its transaction, and requests that arrive late.

A commit is two steps, as at a real coordinator: it is prepared, which cannot be undone, and later completed, which
shows the outputs and the offset. Until then the committed offset is still the old one, and fencing waits.
"""

from collections.abc import Iterator
from typing import Final

from model_check.world import EMPTY, NEVER, ONGOING, PREPARED, Kafka, Mark, Outputs, Step, World

WHO: Final = "Kafka"
_END: Final = "commit"


def fence(world: World) -> World:
    """Raise the producer's epoch: what was open is aborted, and what is under way will be refused."""
    kafka = world.kafka._replace(state=EMPTY, outputs=(), offsets=(), other_sent=NEVER, late=())
    return world._replace(kafka=kafka, workers=tuple(worker._replace(fence=False) for worker in world.workers))


def produce(kafka: Kafka, outputs: Outputs) -> Kafka:
    """Outputs in the transaction."""
    return kafka._replace(state=ONGOING, outputs=kafka.outputs + outputs)


def send_offsets(kafka: Kafka, offsets: Mark) -> Kafka:
    """An offset in the transaction, and the other topic's with the same number."""
    return kafka._replace(state=ONGOING, offsets=offsets, other_sent=offsets[1] if offsets else NEVER)


def end(kafka: Kafka) -> Kafka:
    """The transaction is to be committed; without one nothing happens."""
    return kafka._replace(state=PREPARED) if kafka.state == ONGOING else kafka


def delay_produce(kafka: Kafka, outputs: Outputs) -> Kafka:
    """The request is still under way when its sender gives up."""
    return _delay(kafka, ("produce", outputs, ()))


def delay_offsets(kafka: Kafka, offsets: Mark) -> Kafka:
    """The same."""
    return _delay(kafka, ("offsets", (), offsets))


def delay_end(kafka: Kafka) -> Kafka:
    """The same."""
    return _delay(kafka, (_END, (), ()))


def steps(world: World) -> Iterator[Step]:
    """What Kafka does by itself."""
    kafka = world.kafka
    if kafka.state == PREPARED:
        yield Step(WHO, "shows the outputs and the offset of the prepared commit", world._replace(kafka=_shown(kafka)))
    elif kafka.state == ONGOING:
        yield Step(WHO, "aborts the transaction, whose time is out", fence(world), disturbs=True)
    for late in kafka.late:
        if kafka.state != PREPARED:
            arrived = _arrived(kafka._replace(late=tuple(one for one in kafka.late if one != late)), *late)
            yield Step(WHO, f"gets a late request: {late[0]}", world._replace(kafka=arrived), disturbs=True)


def _shown(kafka: Kafka) -> Kafka:
    return kafka._replace(
        visible=kafka.visible + kafka.outputs,
        committed=kafka.offsets or kafka.committed,
        other=kafka.other if kafka.other_sent == NEVER else kafka.other_sent,
        state=EMPTY,
        outputs=(),
        offsets=(),
        other_sent=NEVER,
    )


def _arrived(kafka: Kafka, kind: str, outputs: Outputs, offsets: Mark) -> Kafka:
    if kind == _END:
        return end(kafka)
    return produce(kafka, outputs) if outputs else send_offsets(kafka, offsets)


def _delay(kafka: Kafka, request: tuple[str, Outputs, Mark]) -> Kafka:
    return kafka._replace(late=tuple(sorted({*kafka.late, request})))
