"""What the model holds: two workers, one lane of an input log, Postgres and Kafka. All of it frozen and hashable.

Epochs only ever matter by being the newest one or not, so a world keeps "is the newest" instead of numbers. That makes
the number of worlds finite however often workers crash: a search can end with all of them seen.
"""

from typing import Final, NamedTuple

Output = tuple[int, str]
"""What one decision publishes: its number in the lane, and the record that asked for it."""

Outputs = tuple[Output, ...]

Mark = tuple[int, int] | tuple[()]
"""A committed offset and the decision number beside it; empty where nothing is committed."""

FOREIGN: Final = -2
"""Stands for the number where somebody else wrote the offset."""

NEVER: Final = -1
"""The position of a lane that never read."""

ASK: Final = "ask"
FENCE: Final = "fence"
TAKE: Final = "take"
FIND: Final = "find"
CHECK: Final = "check"
MOVE: Final = "move"
LOAD: Final = "load"
PRODUCE: Final = "produce"
OFFSETS: Final = "offsets"
COMMIT: Final = "commit"
OPEN: Final = "open"
STOPPED: Final = "stopped"

EMPTY: Final = "empty"
ONGOING: Final = "ongoing"
PREPARED: Final = "prepared"


class Lane(NamedTuple):
    """The lane's row, or what a worker believes of it."""

    sequence: int = 0
    published: int = 0
    position: int = NEVER


class Kafka(NamedTuple):
    """The lane's transaction, what readers of committed records see, and what the group has committed.

    The lane reads a second topic that holds no records; its offset is 0 for ever, and `other` is the number beside it.
    `late` are requests of the newest producer that were given up on, and may still arrive.
    """

    visible: Outputs = ()
    committed: Mark = ()
    other: int = NEVER
    state: str = EMPTY
    outputs: Outputs = ()
    offsets: Mark = ()
    other_sent: int = NEVER
    late: tuple[tuple[str, Outputs, Mark], ...] = ()


class Worker(NamedTuple):
    """What a worker believes, and what it does next. `fence` and `epoch`: whether its epochs are the newest."""

    next: str = ASK
    fence: bool = False
    epoch: bool = False
    lane: Lane = Lane()
    start: int = NEVER
    above: int = 0
    found: Mark = ()
    other: int = NEVER
    batch: Outputs = ()


class World(NamedTuple):
    """Everything. `owner` is whom the group gives the lane; `touches`: how often the offset may still be touched."""

    row: Lane = Lane()
    ledger: tuple[Outputs, ...] = ()
    kafka: Kafka = Kafka()
    owner: int = 0
    workers: tuple[Worker, ...] = ()
    touches: int = 0

    def canonical(self) -> "World":
        """The same world for all that differ only in which of the workers is which."""
        owner, workers = self.owner, self.workers
        if owner == 0 and len(workers) == 2:  # most often, and a search does little else than this
            return self
        others = sorted(workers[:owner] + workers[owner + 1 :])
        return World(self.row, self.ledger, self.kafka, 0, (workers[owner], *others), self.touches)


class Step(NamedTuple):
    """One thing that can happen. `disturbs` if it needs a fault, an operator or a rebalance."""

    who: str
    does: str
    world: World
    disturbs: bool = False


def seat(world: World, me: int, worker: Worker) -> World:
    """The world with another worker in the place of `me`."""
    workers = (*world.workers[:me], worker, *world.workers[me + 1 :])
    return World(world.row, world.ledger, world.kafka, world.owner, workers, world.touches)


def name(me: int) -> str:
    """What a worker is called."""
    return "ABCD"[me]
