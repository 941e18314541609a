"""A worker whose lane is open, or about to publish: `worker/lane.py` and `kafka/transactional_producer.py`."""

from collections.abc import Iterator

from model_check import kafka, postgres
from model_check import recovery as opening
from model_check.guards import Guard, Rules
from model_check.world import (
    ASK,
    CHECK,
    COMMIT,
    FENCE,
    FIND,
    LOAD,
    MOVE,
    OFFSETS,
    OPEN,
    PREPARED,
    PRODUCE,
    TAKE,
    Kafka,
    Mark,
    Step,
    Worker,
    World,
    name,
    seat,
)

_BLANK = Worker()


def steps(world: World, me: int, rules: Rules) -> Iterator[Step]:
    """What the worker can do next."""
    stage = _STAGES.get(world.workers[me].next)
    return stage(world, me, rules) if stage else iter(())


def _work(world: World, me: int, rules: Rules) -> Iterator[Step]:
    """Decide the next batch, or close the lane cleanly."""
    worker = world.workers[me]
    if worker.lane.position < len(rules.records):
        for size in rules.sizes:
            yield from _decide(world, me, rules, size=size)
    quiet = postgres.save_published(world, worker, rules)
    if quiet != world:
        yield Step(name(me), "has been quiet for a while, and notes what it published", quiet)
    noted = opening.struck(postgres.save_published(world, worker, rules), me)
    yield Step(name(me), "closes the lane cleanly", noted, disturbs=world.owner == me)


def _decide(world: World, me: int, rules: Rules, *, size: int) -> Iterator[Step]:
    worker = world.workers[me]
    decided = postgres.decide(world, worker, rules, size=size)
    if decided is None:
        yield Step(name(me), "finds the row other than it left it, and strikes", opening.struck(world, me))
        return
    after, lane, batch = decided
    says = f"decides up to position {lane.position}"
    ready = worker._replace(next=PRODUCE if batch else OFFSETS, lane=lane, batch=batch)
    yield Step(name(me), says, seat(after, me, ready))
    yield Step(name(me), f"{says}, gets no answer to its COMMIT, and strikes", opening.struck(after, me), disturbs=True)
    yield Step(name(me), f"{says}, is told that it failed, and will try again", after, disturbs=True)


def _produce(world: World, me: int, rules: Rules) -> Iterator[Step]:
    worker = world.workers[me]
    sent = kafka.produce(world.kafka, worker.batch)
    late = kafka.delay_produce(world.kafka, worker.batch)
    done = worker._replace(next=OFFSETS)
    says = f"sends outputs {', '.join(str(number) for number, _ in worker.batch)}"
    yield from _request(world, me, rules, says=says, outcome=(sent, late, done))
    if worker.fence and world.kafka.state != PREPARED:
        unseen = opening.struck(world, me) if rules.has(Guard.AWAITED_SENDS) else seat(world, me, done)
        yield Step(name(me), f"{says}, which are refused", unseen, disturbs=True)


def _offsets(world: World, me: int, rules: Rules) -> Iterator[Step]:
    worker = world.workers[me]
    mark: Mark = (worker.lane.position, worker.lane.sequence)
    sent, late = kafka.send_offsets(world.kafka, mark), kafka.delay_offsets(world.kafka, mark)
    says = f"sends offset {opening.told(mark)}"
    yield from _request(world, me, rules, says=says, outcome=(sent, late, worker._replace(next=COMMIT)))


def _commit(world: World, me: int, rules: Rules) -> Iterator[Step]:
    worker = world.workers[me]
    sent, late = kafka.end(world.kafka), kafka.delay_end(world.kafka)
    lane = worker.lane._replace(published=worker.lane.sequence)
    done = _BLANK._replace(next=OPEN, fence=worker.fence, epoch=worker.epoch, lane=lane)
    yield from _request(world, me, rules, says="commits", outcome=(sent, late, done))
    if worker.fence and world.kafka.state != PREPARED:
        after = world._replace(kafka=kafka.delay_end(sent))
        twice = opening.struck(after, me) if rules.has(Guard.COUNTED_RESENDS) else seat(after, me, done)
        yield Step(name(me), "commits, its client sending that twice, the first one being late", twice, disturbs=True)


def _request(world: World, me: int, rules: Rules, *, says: str, outcome: tuple[Kafka, Kafka, Worker]) -> Iterator[Step]:
    """A request to Kafka is answered, or done and not answered, or late; or refused, if the producer is fenced."""
    sent, late, done = outcome
    if not world.workers[me].fence:
        yield Step(name(me), f"{says}, is fenced, and strikes", opening.struck(world, me))
    elif world.kafka.state != PREPARED:
        yield Step(name(me), says, seat(world._replace(kafka=sent), me, done))
        for kafka_after, how in ((sent, "and gets no answer"), (late, "which is late")):
            after = _unknown(world._replace(kafka=kafka_after), me, rules, done=done)
            yield Step(name(me), f"{says}, {how}", after, disturbs=True)


def _unknown(world: World, me: int, rules: Rules, *, done: Worker) -> World:
    """Nobody knows what became of a request."""
    worker = world.workers[me]
    if worker.next == COMMIT and not rules.has(Guard.NO_GUESS):
        return seat(world, me, done)
    if not rules.has(Guard.ONE_STRIKE):
        return seat(world, me, worker._replace(next=PRODUCE if worker.batch else OFFSETS))
    return opening.struck(world, me)


_STAGES: dict[str, opening.Stage] = {
    ASK: opening.ask,
    FENCE: opening.fence,
    TAKE: opening.take,
    FIND: opening.find,
    CHECK: opening.check,
    MOVE: opening.move,
    LOAD: opening.load,
    PRODUCE: _produce,
    OFFSETS: _offsets,
    COMMIT: _commit,
    OPEN: _work,
}
