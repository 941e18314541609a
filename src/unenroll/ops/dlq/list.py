"""List dead letters: counts by reason and state, the latest letters, and one letter in full."""

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
    format_position,
    letter_position,
    open_letter_reader,
    source_position,
)
from unenroll.ops.dlq.rules import RETRY_CONDITIONS
from unenroll.postgres.ledger import LetterKey
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.postgres.redrives import HandledLetter, LetterState, handled_letters
from unenroll.settings import WorkerSettings
from unenroll.wire.dead_letters import Letter


@dataclass(frozen=True, kw_only=True, slots=True)
class ReasonCount:
    """How many letters have this reason and state.

    `retry_condition` says when a retry succeeds; it is None if a retry of the unchanged record cannot succeed.
    """

    reason: str
    retry_condition: str | None
    state: LetterState
    letters: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterSummary:
    """One letter.

    `letter` is the letter's own position, `origin` its record's, both as TOPIC-PARTITION@OFFSET. `key` is the record's
    key as text. `at` is when the worker dead-lettered the record. `retry_condition`: see `ReasonCount`. `why` is the
    reason that the operator gave for parking it. `left_out` names the parts of the record that the letter had no room
    for.
    """

    letter: str
    at: datetime | None
    reason: str
    detail: str
    retry_condition: str | None
    origin: str
    key: str | None
    redrives: int
    state: LetterState
    handled_by: str | None
    handled_at: datetime | None
    why: str | None
    left_out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterList:
    """All matching letters, counted. `letters` is their number; `latest` has the newest of them, oldest first."""

    letters: int
    counts: tuple[ReasonCount, ...]
    latest: tuple[LetterSummary, ...]


async def list_letters(
    settings: WorkerSettings, letter_filter: LetterFilter, *, states: frozenset[LetterState], limit: int
) -> LetterList:
    """Return counts of the matching letters in these states (none given: any), and the latest `limit` of them.

    Raises OutageError and SetupError.
    """
    prefix = letter_filter.prefix
    latest, counts = _LatestLetters(limit=limit), Counter[tuple[str, LetterState]]()
    async with open_pool(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        reader = await open_letter_reader(settings, KafkaAdmin(settings))
        async for chunk in reader.letters(letter_filter):
            handled_by_key = await handled_letters(pool, {letter_key(one.letter) for one in chunk}, topic_prefix=prefix)
            for found in chunk:
                handled = handled_by_key.get(letter_key(found.letter))
                state = letter_state(handled)
                if not states or state in states:
                    counts[found.letter.reason, state] += 1
                    latest.add(found, letter_summary(found, handled, prefix=prefix))
    return LetterList(letters=counts.total(), counts=tuple(_reason_counts(counts)), latest=latest.letters())


def _reason_counts(counts: Counter[tuple[str, LetterState]]) -> Iterable[ReasonCount]:
    for (reason, state), letters in sorted(counts.items()):
        yield ReasonCount(reason=reason, retry_condition=RETRY_CONDITIONS.get(reason), state=state, letters=letters)


class _Order(NamedTuple):
    """Sorts letters by time, then by position."""

    at: float
    partition: int
    offset: int


@dataclass(kw_only=True, slots=True)
class _LatestLetters:
    """The latest `limit` letters, in bounded memory."""

    limit: int
    _heap: list[tuple[_Order, LetterSummary]] = field(default_factory=list)

    def add(self, found: FoundLetter, summary: LetterSummary) -> None:
        at = found.at.timestamp() if found.at else 0.0
        entry = (_Order(at, found.letter.partition, found.letter.offset), summary)
        if len(self._heap) < self.limit:
            heappush(self._heap, entry)
        elif self.limit:
            heappushpop(self._heap, entry)

    def letters(self) -> tuple[LetterSummary, ...]:
        return tuple(summary for _, summary in sorted(self._heap, key=lambda entry: entry[0]))


@dataclass(frozen=True, kw_only=True, slots=True)
class HeaderText:
    """A header of the record. Its value is in `text` if it is UTF-8, else in `base64`; both are None if it has none."""

    name: str
    text: str | None
    base64: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterDetails:
    """A letter and its record. `told` is the letter's summary.

    The record's value is in `text` if it is UTF-8, else in `base64`; both are None if it has none. `size` (bytes) and
    `sha256` describe a value that did not fit into the letter.
    """

    summary: LetterSummary
    headers: tuple[HeaderText, ...]
    text: str | None
    base64: str | None
    size: int | None
    sha256: str | None


async def show_letter(settings: WorkerSettings, position: RecordPosition) -> LetterDetails:
    """Return the letter with this position, its own or its record's.

    Raises UnenrollError if no letter or more than one has it, OutageError and SetupError.
    """
    prefix = settings.topic_prefix
    letter_filter = LetterFilter(prefix=prefix, positions=frozenset({position}))
    async with open_pool(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        reader = await open_letter_reader(settings, KafkaAdmin(settings))
        matches = [one async for chunk in reader.letters(letter_filter) for one in chunk]
        found = _single(matches, position, prefix)
        key = letter_key(found.letter)
        handled = await handled_letters(pool, {key}, topic_prefix=prefix)
    return _letter_details(found, letter_summary(found, handled.get(key), prefix=prefix))


def _single(matches: list[FoundLetter], position: RecordPosition, prefix: str) -> FoundLetter:
    name = format_position(position, prefix=prefix)
    if not matches:
        raise UnenrollError(f"no dead letter matches {name}: `unenroll dlq list` shows what is there")
    if len(matches) > 1:
        own = (format_position(letter_position(one.letter, prefix=prefix), prefix=prefix) for one in matches[:10])
        raise UnenrollError(f"{name} matches {len(matches)} dead letters; name one of them: {', '.join(own)}")
    return matches[0]


def _letter_details(found: FoundLetter, summary: LetterSummary) -> LetterDetails:
    letter = found.letter
    text, base64 = _text_or_base64(letter.record.value)
    return LetterDetails(
        summary=summary,
        headers=tuple(_header_text(name, value) for name, value in letter.record.headers),
        text=text,
        base64=base64,
        size=letter.size,
        sha256=letter.sha256,
    )


def _header_text(name: str, value: bytes | None) -> HeaderText:
    text, base64 = _text_or_base64(value)
    return HeaderText(name=name, text=text, base64=base64)


def _text_or_base64(value: bytes | None) -> tuple[str | None, str | None]:
    if value is None:
        return None, None
    try:
        return value.decode("utf-8"), None
    except UnicodeDecodeError:
        return None, b64encode(value).decode()


def letter_summary(found: FoundLetter, handled: HandledLetter | None, *, prefix: str) -> LetterSummary:
    """Return the summary of a letter and of what an operator did with it."""
    letter = found.letter
    return LetterSummary(
        letter=format_position(letter_position(letter, prefix=prefix), prefix=prefix),
        at=found.at,
        reason=letter.reason,
        detail=letter.detail,
        retry_condition=RETRY_CONDITIONS.get(letter.reason),
        origin=format_position(source_position(letter), prefix=prefix),
        key=None if letter.record.key is None else letter.record.key.decode("utf-8", "backslashreplace"),
        redrives=letter.redrives,
        state=letter_state(handled),
        handled_by=handled.by if handled else None,
        handled_at=handled.at if handled else None,
        why=handled.why if handled else None,
        left_out=letter.left_out,
    )


def letter_key(letter: Letter) -> LetterKey:
    """Return the key of the letter in Postgres."""
    return LetterKey(letter.record.topic, letter.digest)


def letter_state(handled: HandledLetter | None) -> LetterState:
    """Return the letter's state: open if no operator has handled it."""
    return handled.state if handled else LetterState.OPEN
