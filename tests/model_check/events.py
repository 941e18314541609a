"""Everything that can happen next: workers, Kafka, crashes, rebalances, and who touches the committed offset."""

from collections.abc import Iterable, Iterator

from model_check import kafka, lane
from model_check import recovery as opening
from model_check.guards import Rules, Touch
from model_check.world import ASK, FOREIGN, NEVER, STOPPED, Mark, Step, Worker, World, name


def beginning(rules: Rules) -> World:
    """Nothing was ever read, and the group has given the lane to one of the workers."""
    return World(workers=(Worker(),) * rules.workers, touches=0 if rules.touch is Touch.NONE else 1)


def steps(world: World, rules: Rules) -> Iterator[Step]:
    """All of it."""
    for me, worker in enumerate(world.workers):
        yield from lane.steps(world, me, rules)
        if worker.next not in {ASK, STOPPED}:
            yield Step(name(me), "is killed, and starts again", opening.struck(world, me), disturbs=True)
        if me != world.owner:
            yield Step("the group", f"gives the lane to {name(me)}", world._replace(owner=me), disturbs=True)
    yield from kafka.steps(world)
    if world.touches and _may_be_touched(world, rules):
        yield from _touched(world, rules)


def _may_be_touched(world: World, rules: Rules) -> bool:
    return rules.soft_spot or rules.touch is Touch.BACK_IN_ONE or _known(world)


def _known(world: World) -> bool:
    """Whether the row knows of everything that is visible, or may be so without the workers' doing."""
    seen = (*world.kafka.visible, *world.kafka.outputs)
    return all(number <= world.row.published for number, _ in seen)


def _touched(world: World, rules: Rules) -> Iterator[Step]:
    for mark in _marks(world, rules):
        # The offset that was written last counts, so one that waits in a transaction loses against this one.
        after = world.kafka._replace(committed=mark, offsets=())
        if rules.touch is not Touch.BACK_IN_ONE:
            after = after._replace(other=FOREIGN if mark else NEVER, other_sent=NEVER)
        touched = world._replace(kafka=after, touches=world.touches - 1)
        yield Step("somebody", f"makes the committed offset {opening.told(mark)}", touched, disturbs=True)


def _marks(world: World, rules: Rules) -> Iterable[Mark]:
    decided = world.row.position
    if decided == NEVER:
        return []  # whoever does it now chooses where a new group begins
    if rules.touch is Touch.EXPIRE:
        return [()]
    if rules.touch in {Touch.BACK, Touch.BACK_IN_ONE}:
        return [(offset, FOREIGN) for offset in range(decided + 1)]
    if rules.touch is Touch.FORWARD:
        return [(offset, FOREIGN) for offset in range(decided + 1, len(rules.records) + 1)]
    return []
