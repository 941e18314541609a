"""A dead letter as it is told to people and programs."""

from dataclasses import dataclass
from datetime import datetime

from unenroll.dlq.healing import HEALS
from unenroll.dlq.places import origin, own_place, place_text
from unenroll.dlq.wanted import Found
from unenroll.store.letters import Handled, LetterKey, State
from unenroll.wire.letters import Letter


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterTold:
    """`letter` is its name, `origin` where its record was read, `key` that record's as text.

    `heals` is what it waits for, None where it never heals as it is. `left_out`: what of the record is not here.
    """

    letter: str
    at: datetime | None
    reason: str
    detail: str
    heals: str | None
    origin: str
    key: str | None
    redrives: int
    state: State
    handled_by: str | None
    handled_at: datetime | None
    why: str | None
    left_out: tuple[str, ...]


def told(found: Found, handled: Handled | None, *, prefix: str) -> LetterTold:
    """The letter, and what was done about it."""
    letter = found.letter
    return LetterTold(
        letter=place_text(own_place(letter, prefix=prefix), prefix=prefix),
        at=found.at,
        reason=letter.reason,
        detail=letter.detail,
        heals=HEALS.get(letter.reason),
        origin=place_text(origin(letter), prefix=prefix),
        key=None if letter.record.key is None else letter.record.key.decode("utf-8", "backslashreplace"),
        redrives=letter.redrives,
        state=state_of(handled),
        handled_by=handled.by if handled else None,
        handled_at=handled.at if handled else None,
        why=handled.why if handled else None,
        left_out=letter.left_out,
    )


def key_of(letter: Letter) -> LetterKey:
    """Who the letter is."""
    return LetterKey(letter.record.topic, letter.digest)


def state_of(handled: Handled | None) -> State:
    """What was done about a letter."""
    return handled.state if handled else State.OPEN
