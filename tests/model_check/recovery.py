"""A worker that opens the lane, step by step: `worker/recovery.py`, with the product's own `resume`."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from model_check import kafka, postgres
from model_check.guards import Guard, Rules
from model_check.world import (
    ASK,
    CHECK,
    FENCE,
    FIND,
    FOREIGN,
    LOAD,
    MOVE,
    NEVER,
    OFFSETS,
    OPEN,
    PREPARED,
    PRODUCE,
    STOPPED,
    TAKE,
    Mark,
    Step,
    Worker,
    World,
    name,
    seat,
)
from unenroll.errors import DataLossError
from unenroll.kafka.committed_offsets import CommittedOffset, ResumePoint, metadata, resume_point

_TOPIC, _OTHER = "requests", "facts"
_BLANK = Worker()

Stage = Callable[[World, int, Rules], Iterator[Step]]


def struck(world: World, me: int) -> World:
    """The world once the worker threw its producer away, and forgot what it believed."""
    return seat(world, me, _BLANK)


def ask(world: World, me: int, rules: Rules) -> Iterator[Step]:
    """The group is asked whose the lane is."""
    if world.owner == me or not rules.has(Guard.OWNERSHIP):
        result = "hears from the group that the lane is its own" if world.owner == me else "does not ask whose it is"
        yield Step(name(me), result, seat(world, me, _next(world.workers[me], rules)))


def fence(world: World, me: int, rules: Rules) -> Iterator[Step]:
    """InitProducerId: waits for a prepared commit to be completed."""
    if world.kafka.state == PREPARED:
        return
    after = kafka.fence(world)
    fenced = _next(after.workers[me]._replace(fence=True), rules)
    yield Step(name(me), "fences the former producer", seat(after, me, fenced))
    yield Step(name(me), "fences the former producer, and gets no answer", struck(after, me), disturbs=True)


def take(world: World, me: int, rules: Rules) -> Iterator[Step]:
    """The row's epoch is raised, and the row read."""
    after = postgres.take(world, me)
    yield Step(name(me), "raises the row's epoch", seat(after, me, _next(after.workers[me], rules)))
    yield Step(name(me), "raises the row's epoch, and gets no answer", struck(after, me), disturbs=True)


def find(world: World, me: int, rules: Rules) -> Iterator[Step]:
    """The committed offset is read."""
    found, other = world.kafka.committed, world.kafka.other
    read = _next(world.workers[me]._replace(found=found, other=other), rules)
    yield Step(name(me), f"reads the committed offset, {told(found)}", seat(world, me, read))


def check(world: World, me: int, rules: Rules) -> Iterator[Step]:
    """The row is looked at once more; then the committed offset is held against it."""
    worker = world.workers[me]
    if rules.has(Guard.EPOCH_AFTER_READ) and not worker.epoch:
        yield Step(name(me), "finds the row taken, and strikes", struck(world, me))
        return
    try:
        plan = _plan(worker, rules)
    except DataLossError:
        yield Step(name(me), "holds it against the row, and stops for good", _stopped(world, me))
        return
    start = plan.read_from[_TOPIC]
    planned = _next(worker._replace(above=plan.publish_above, start=0 if start is None else start), rules)
    yield Step(name(me), "holds it against the row", seat(world, me, planned))


def move(world: World, me: int, rules: Rules) -> Iterator[Step]:
    """The row is told where the lane goes on, if that is elsewhere."""
    worker = world.workers[me]
    lane = worker.lane._replace(position=worker.start)
    moved = worker._replace(next=LOAD, lane=lane, start=NEVER)
    if lane == worker.lane or not rules.has(Guard.REPOSITION):
        yield Step(name(me), "goes on from where the row stands", seat(world, me, moved))
        return
    after = postgres.reposition(world, moved, rules)
    if after is None:
        yield Step(name(me), "finds the row taken, and strikes", struck(world, me))
        return
    yield Step(name(me), f"writes position {lane.position} into the row", seat(after, me, moved))
    yield Step(name(me), f"writes position {lane.position} into the row, unanswered", struck(after, me), disturbs=True)


def load(world: World, me: int, rules: Rules) -> Iterator[Step]:
    """What was decided and not published is read, to be published before anything else."""
    worker = world.workers[me]
    lane = worker.lane
    if _all_published(worker, rules) or not rules.has(Guard.RECOVERY):
        opened = _BLANK._replace(
            next=OPEN, fence=worker.fence, epoch=worker.epoch, lane=lane._replace(published=lane.sequence)
        )
        yield Step(name(me), f"opens the lane at position {lane.position}", seat(world, me, opened))
        return
    batches = postgres.above(world, worker.above)
    ordered = batches if rules.has(Guard.RECOVERY_IN_ORDER) else reversed([batch[::-1] for batch in batches])
    batch = tuple(output for one in ordered for output in one)
    loaded = worker._replace(next=PRODUCE if batch else OFFSETS, batch=batch, found=(), other=NEVER, above=0)
    yield Step(name(me), f"reads from the ledger what is above {worker.above}", seat(world, me, loaded))


def told(mark: Mark) -> str:
    """A committed offset for a person."""
    return f"{mark[0]} with number {mark[1] if mark[1] != FOREIGN else 'unknown'}" if mark else "none"


def _all_published(worker: Worker, rules: Rules) -> bool:
    lane = worker.lane
    if not rules.has(Guard.COMPARED_NUMBER):
        return worker.found[:1] == (lane.position,)
    return worker.found == (lane.position, lane.sequence) and worker.other == lane.sequence


def _plan(worker: Worker, rules: Rules) -> ResumePoint:
    """The product's own table, unless a guard of it is taken away."""
    lane = worker.lane
    published = lane.published if rules.has(Guard.PUBLISHED_ROW) else 0
    other: Mark = (0, worker.other) if worker.other != NEVER else ()
    try:
        plan = resume_point(
            sequence=lane.sequence,
            published=published,
            decided={} if lane.position == NEVER else {_TOPIC: lane.position, _OTHER: 0},
            committed={_TOPIC: _committed(worker.found), _OTHER: _committed(other)},
        )
    except DataLossError:
        if rules.has(Guard.STOP_WHEN_AHEAD) or not worker.found:
            raise
        return ResumePoint(publish_above=published, read_from={_TOPIC: worker.found[0]})
    return plan if rules.has(Guard.PUBLISHED_METADATA) else replace(plan, publish_above=published)


def _committed(mark: Mark) -> CommittedOffset | None:
    return CommittedOffset(offset=mark[0], metadata=metadata(mark[1]) if mark[1] != FOREIGN else "") if mark else None


def _order(rules: Rules) -> tuple[str, ...]:
    if not rules.has(Guard.FENCE_BEFORE_READ):
        return (ASK, TAKE, FIND, FENCE, CHECK, MOVE)
    if not rules.has(Guard.TAKE_BEFORE_FENCE):
        return (ASK, FENCE, TAKE, FIND, CHECK, MOVE)
    return (ASK, TAKE, FENCE, FIND, CHECK, MOVE)


def _next(worker: Worker, rules: Rules) -> Worker:
    order = _order(rules)
    return worker._replace(next=order[order.index(worker.next) + 1])


def _stopped(world: World, me: int) -> World:
    return seat(world, me, _BLANK._replace(next=STOPPED))
