"""What has to hold in every world, and how a run without further faults has to end."""

from model_check.guards import Rules, Touch
from model_check.world import FOREIGN, STOPPED, World


def broken(world: World, rules: Rules) -> str:
    """Which promise the world breaks; empty if none."""
    return _decisions(world) or _visible(world) or _committed(world, rules) or _stopped(world, rules)


def went_back(before: World, after: World, rules: Rules) -> str:
    """Whether the committed offset went back though nobody touched it."""
    old, new = before.kafka.committed, after.kafka.committed
    back = old and (not new or new < old) and rules.touch is Touch.NONE
    return "the committed offset went back" if back else ""


def badly_ended(world: World, rules: Rules) -> str:
    """What is missing where nothing more happens; empty if nothing is."""
    if rules.touch is Touch.FORWARD and any(worker.next == STOPPED for worker in world.workers):
        return ""
    seen = {event for _, event in world.kafka.visible}
    if seen != set(rules.records):
        return "all is quiet, and an output is missing"
    committed = world.kafka.committed
    if rules.touch is Touch.NONE and (not committed or committed[0] != len(rules.records)):
        return "all is quiet, and the committed offset is not at the end"
    return ""


def _decisions(world: World) -> str:
    numbers = [number for batch in world.ledger for number, _ in batch]
    events = [event for batch in world.ledger for _, event in batch]
    if len(set(events)) < len(events):
        return "an event was decided twice"
    return "two decisions have one number" if len(set(numbers)) < len(numbers) else ""


def _visible(world: World) -> str:
    visible = world.kafka.visible
    if len(set(visible)) < len(visible):
        return "an output is visible twice"
    if not {output for batch in world.ledger for output in batch}.issuperset(visible):
        return "an output is visible that the ledger does not have"
    return "" if list(visible) == sorted(visible) else "outputs are visible in another order than they were decided in"


def _committed(world: World, rules: Rules) -> str:
    if not world.kafka.committed:
        return "outputs are visible without their offset" if world.kafka.visible and rules.touch is Touch.NONE else ""
    offset, number = world.kafka.committed
    if rules.touch is not Touch.FORWARD and offset > max(world.row.position, 0):
        return "the committed offset is beyond what was decided"
    if number == FOREIGN:
        return ""
    if [seen for seen, _ in world.kafka.visible] != list(range(1, number + 1)):
        return "offset and outputs did not move together"
    seen = {event for _, event in world.kafka.visible}
    return "" if seen.issuperset(rules.records[:offset]) else "the committed offset passed a record without its output"


def _stopped(world: World, rules: Rules) -> str:
    if rules.touch is Touch.FORWARD:
        return ""
    return "a worker stopped for good" if any(worker.next == STOPPED for worker in world.workers) else ""
