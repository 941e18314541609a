"""The guards of the protocol, each of which can be taken away, and the scenarios that they are tried in."""

from enum import Enum
from typing import NamedTuple


class Guard(Enum):
    """What keeps the promises. The text says what a lane does without it."""

    FENCE_BEFORE_READ = "reads the committed offset, then fences"
    TAKE_BEFORE_FENCE = "fences, then takes the row"
    EPOCH_AFTER_READ = "does not look at the row again once it has read the offset"
    ONE_STRIKE = "tries an unknown transaction again with the same producer"
    NO_GUESS = "takes an unanswered commit for done"
    COUNTED_RESENDS = "goes on after a commit that was sent twice"
    AWAITED_SENDS = "does not await its outputs"
    RECOVERY = "opens without publishing what was decided"
    RECOVERY_IN_ORDER = "opens with the last decision first"
    PUBLISHED_ROW = "ignores the row's published number"
    PUBLISHED_METADATA = "ignores the number beside the offsets"
    COMPARED_NUMBER = "takes an equal offset for published, whatever the number"
    HOLD_EPOCH = "does not compare the epoch before it decides"
    MOVE_EPOCH = "does not compare the epoch as it writes the row"
    HOLD_POSITION = "does not compare the position before it decides"
    REPOSITION = "reads from a place that is not in the row"
    LEDGER = "decides whatever it reads"
    OWNERSHIP = "opens without asking the group"
    STOP_WHEN_AHEAD = "goes on where Kafka is ahead"
    NOTE_EPOCH = "notes what was published, whoever has the row"


class Touch(Enum):
    """What time, or a person, does to the committed offset."""

    NONE = "nothing"
    EXPIRE = "an expiry"
    BACK = "a reset to an earlier place"
    BACK_IN_ONE = "a reset of one topic"
    FORWARD = "a reset to a later place"


class Rules(NamedTuple):
    """What a search is about.

    `records` is the input log, one letter each; the same letter is the same event. `sizes` are how many records a
    batch may take. The committed offset is touched once, at any moment at which the row knows of everything that may be
    visible; with `soft_spot`, at any other moment too.
    """

    records: str = "abac"
    sizes: tuple[int, ...] = (1, 2)
    workers: int = 2
    touch: Touch = Touch.NONE
    soft_spot: bool = False
    without: frozenset[Guard] = frozenset()

    def has(self, guard: Guard) -> bool:
        """Whether the guard is in place."""
        return guard not in self.without
