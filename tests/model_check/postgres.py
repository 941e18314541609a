"""Postgres's part: the lane's row and the ledger. Each function is one transaction; the row's lock makes it atomic."""

from model_check.guards import Guard, Rules
from model_check.world import Lane, Outputs, Worker, World, seat


def take(world: World, me: int) -> World:
    """Raise the lane's epoch and tell the row: `take_lane`."""
    after = world._replace(workers=tuple(worker._replace(epoch=False) for worker in world.workers))
    return seat(after, me, after.workers[me]._replace(epoch=True, lane=world.row))


def reposition(world: World, worker: Worker, rules: Rules) -> World | None:
    """Write where the lane goes on from; None if another worker took it: `move_lane` by itself."""
    if rules.has(Guard.MOVE_EPOCH) and not worker.epoch:
        return None
    return world._replace(row=worker.lane)


def decide(world: World, worker: Worker, rules: Rules, *, size: int) -> tuple[World, Lane, Outputs] | None:
    """The world, the lane and the outputs once the next batch is decided; None if the row says that it must not be.

    `lock_lane`, the ledger and `move_lane` of one batch.
    """
    if not worker.epoch and (rules.has(Guard.HOLD_EPOCH) or rules.has(Guard.MOVE_EPOCH)):
        return None
    if rules.has(Guard.HOLD_POSITION) and _place(world.row) != _place(worker.lane):
        return None
    end = min(worker.lane.position + size, len(rules.records))
    new = _new(world, rules.records[worker.lane.position : end], rules)
    batch = tuple(enumerate(new, worker.lane.sequence + 1))
    lane = Lane(worker.lane.sequence + len(batch), worker.lane.published, end)
    ledger = (*world.ledger, batch) if batch else world.ledger
    return world._replace(row=lane, ledger=ledger), lane, batch


def above(world: World, number: int) -> tuple[Outputs, ...]:
    """The batches that were decided above a number, in the order of their numbers: `publications_above`."""
    return tuple(sorted(batch for batch in world.ledger if batch[-1][0] > number))


def save_published(world: World, worker: Worker, rules: Rules) -> World:
    """The row once it was told what was published, unless another worker took it: `save_published`."""
    if (rules.has(Guard.NOTE_EPOCH) and not worker.epoch) or world.row.published >= worker.lane.published:
        return world
    return world._replace(row=world.row._replace(published=worker.lane.published))


def _new(world: World, records: str, rules: Rules) -> str:
    if not rules.has(Guard.LEDGER):
        return records
    known = {event for batch in world.ledger for _, event in batch}
    return "".join(event for event in dict.fromkeys(records) if event not in known)


def _place(lane: Lane) -> tuple[int, int]:
    return lane.sequence, lane.position
