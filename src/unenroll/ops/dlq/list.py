"""Dead letters, counted in all and the latest of them told one by one."""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappush, heappushpop
from typing import NamedTuple

from unenroll.errors import UnenrollError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.ops.dlq.read import (
    FoundLetter,
    LetterFilter,
    RecordPosition,
    open_letter_reader,
    origin,
    own_position,
    position_text,
)
from unenroll.ops.dlq.rules import HEALS
from unenroll.postgres.pool import check_tables, connected
from unenroll.postgres.redrives import HandledLetter, LetterKey, LetterState, handled_letters
from unenroll.settings import WorkerSettings
from unenroll.wire.dead_letters import Letter


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterSummary:
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
    state: LetterState
    handled_by: str | None
    handled_at: datetime | None
    why: str | None
    left_out: tuple[str, ...]


def letter_summary(found: FoundLetter, handled: HandledLetter | None, *, prefix: str) -> LetterSummary:
    """The letter, and what was done about it."""
    letter = found.letter
    return LetterSummary(
        letter=position_text(own_position(letter, prefix=prefix), prefix=prefix),
        at=found.at,
        reason=letter.reason,
        detail=letter.detail,
        heals=HEALS.get(letter.reason),
        origin=position_text(origin(letter), prefix=prefix),
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


def state_of(handled: HandledLetter | None) -> LetterState:
    """What was done about a letter."""
    return handled.state if handled else LetterState.OPEN


class _Order(NamedTuple):
    """The latest letter comes last."""

    at: float
    partition: int
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReasonCount:
    """How many letters with this reason were handled so. `heals` is what they wait for, None where they never heal."""

    reason: str
    heals: str | None
    state: LetterState
    letters: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterList:
    """The latest letters in order of time, and counts of all that were meant. `letters` counts them together."""

    letters: int
    counts: tuple[ReasonCount, ...]
    latest: tuple[LetterSummary, ...]


@dataclass(kw_only=True, slots=True)
class _Latest:
    """So many of the letters that were put aside last, in bounded memory."""

    most: int
    _kept: list[tuple[_Order, LetterSummary]] = field(default_factory=list)

    def add(self, found: FoundLetter, one: LetterSummary) -> None:
        at = found.at.timestamp() if found.at else 0.0
        entry = (_Order(at, found.letter.partition, found.letter.offset), one)
        if len(self._kept) < self.most:
            heappush(self._kept, entry)
        elif self.most:
            heappushpop(self._kept, entry)

    def letters(self) -> tuple[LetterSummary, ...]:
        return tuple(one for _, one in sorted(self._kept, key=lambda entry: entry[0]))


async def list_letters(
    settings: WorkerSettings, wanted: LetterFilter, *, states: frozenset[LetterState], most: int
) -> LetterList:
    """What lies on the topic now. `states`: only these, or all if it is empty. Raises OutageError and SetupError."""
    latest, counts = _Latest(most=most), Counter[tuple[str, LetterState]]()
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        letters = await open_letter_reader(settings, KafkaAdmin(settings))
        async for some in letters.letters(wanted):
            known = await handled_letters(pool, {key_of(found.letter) for found in some}, topic_prefix=wanted.prefix)
            for found in some:
                what = known.get(key_of(found.letter))
                if not states or state_of(what) in states:
                    counts[found.letter.reason, state_of(what)] += 1
                    latest.add(found, letter_summary(found, what, prefix=wanted.prefix))
    return LetterList(letters=counts.total(), counts=tuple(_counts(counts.items())), latest=latest.letters())


def _counts(found: Iterable[tuple[tuple[str, LetterState], int]]) -> Iterable[ReasonCount]:
    for (reason, state), letters in sorted(found):
        yield ReasonCount(reason=reason, heals=HEALS.get(reason), state=state, letters=letters)


@dataclass(frozen=True, kw_only=True, slots=True)
class HeaderText:
    """A header of the record. Of `text` and `base64` the one that can hold it, or neither: the header has no value."""

    name: str
    text: str | None
    base64: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterDetails:
    """The letter, and its record as it came. Of `text` and `base64` the one that can hold its value, or neither.

    `size` and `sha256` are those of a value that is left out.
    """

    told: LetterSummary
    headers: tuple[HeaderText, ...]
    text: str | None
    base64: str | None
    size: int | None
    sha256: str | None


async def show_letter(settings: WorkerSettings, place: RecordPosition) -> LetterDetails:
    """The letter that lies there, or whose record was read there. Raises UnenrollError if there is not one."""
    wanted = LetterFilter(prefix=settings.topic_prefix, places=frozenset({place}))
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        letters = await open_letter_reader(settings, KafkaAdmin(settings))
        found = _only([one async for some in letters.letters(wanted) for one in some], place, wanted.prefix)
        key = key_of(found.letter)
        known = await handled_letters(pool, {key}, topic_prefix=wanted.prefix)
    record = found.letter.record
    text, base64 = _legible(record.value)
    return LetterDetails(
        told=letter_summary(found, known.get(key), prefix=wanted.prefix),
        headers=tuple(
            HeaderText(name=name, text=_legible(value)[0], base64=_legible(value)[1]) for name, value in record.headers
        ),
        text=text,
        base64=base64,
        size=found.letter.size,
        sha256=found.letter.sha256,
    )


def _only(found: list[FoundLetter], place: RecordPosition, prefix: str) -> FoundLetter:
    name = position_text(place, prefix=prefix)
    if not found:
        raise UnenrollError(f"there is no dead letter {name}: see `unenroll dlq list`")
    if len(found) > 1:
        others = ", ".join(f"dead-letters-{one.letter.partition}@{one.letter.offset}" for one in found[:10])
        raise UnenrollError(f"{name} names {len(found)} dead letters: {others}")
    return found[0]


def _legible(value: bytes | None) -> tuple[str | None, str | None]:
    """The value as text, or else in Base64."""
    if value is None:
        return None, None
    try:
        return value.decode("utf-8"), None
    except UnicodeDecodeError:
        return None, b64encode(value).decode()
