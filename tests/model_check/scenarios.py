"""What is tried: each scenario with all guards in place, and each guard taken away."""

from typing import Final, NamedTuple

from model_check.final_worlds import heal
from model_check.guards import Guard, Rules, Touch
from model_check.search import Found, Search


class Removal(NamedTuple):
    """Guards that are taken away together, and the scenario in which that does harm."""

    guards: tuple[Guard, ...]
    touch: Touch = Touch.NONE


REMOVALS: Final = (
    Removal((Guard.FENCE_BEFORE_READ,)),
    Removal((Guard.TAKE_BEFORE_FENCE,), Touch.BACK),
    Removal((Guard.EPOCH_AFTER_READ,)),
    Removal((Guard.OWNERSHIP,)),
    Removal((Guard.ONE_STRIKE,)),
    Removal((Guard.NO_GUESS,)),
    Removal((Guard.COUNTED_RESENDS,)),
    Removal((Guard.AWAITED_SENDS,)),
    Removal((Guard.RECOVERY,)),
    Removal((Guard.RECOVERY_IN_ORDER,)),
    Removal((Guard.PUBLISHED_ROW, Guard.PUBLISHED_METADATA)),
    Removal((Guard.PUBLISHED_ROW,), Touch.EXPIRE),
    Removal((Guard.PUBLISHED_METADATA,), Touch.BACK_IN_ONE),
    Removal((Guard.COMPARED_NUMBER,), Touch.BACK),
    Removal((Guard.HOLD_EPOCH, Guard.MOVE_EPOCH)),
    Removal((Guard.MOVE_EPOCH,)),
    Removal((Guard.HOLD_POSITION,)),
    Removal((Guard.REPOSITION,)),
    Removal((Guard.LEDGER,)),
    Removal((Guard.STOP_WHEN_AHEAD,), Touch.FORWARD),
    Removal((Guard.NOTE_EPOCH,), Touch.EXPIRE),
)

REDUNDANT: Final = Removal((Guard.HOLD_EPOCH,))
"""Writing the row compares the epoch again, in the same transaction."""


def explore(rules: Rules, deepest: int = 1000) -> Found:
    """What a search finds; if it saw all there is, also what becomes of it undisturbed."""
    search = Search(rules=rules)
    found = search.run(deepest)
    return heal(search) if found.ended else found


def without(removal: Removal) -> Rules:
    """A search as small as shows what the guards are for."""
    records = "abac" if removal.touch is Touch.NONE else "ab"
    return Rules(records=records, sizes=(2,), touch=removal.touch, without=frozenset(removal.guards))
