"""What was done about dead letters: put back on their topic, or parked."""

from collections.abc import Collection, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import asyncpg

from unenroll.errors import LaneLostError
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.pool import advisory_lock, transaction
from unenroll.postgres.queries import QUERIES


class LetterKey(NamedTuple):
    """Who a dead letter is: its record's topic, and the digest of its content."""

    topic: str
    digest: bytes


class LetterState(StrEnum):
    """What was done about a letter. UNSETTLED: a redrive was cut off, and the next one finds out what it did."""

    OPEN = "open"
    REDRIVEN = "redriven"
    UNSETTLED = "unsettled"
    PARKED = "parked"


@dataclass(frozen=True, kw_only=True, slots=True)
class HandledLetter:
    """What was done about a letter, by whom and when. `why` it was parked."""

    state: LetterState
    by: str
    at: datetime
    why: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RedriveRow:
    """Who puts letters of a prefix back: `batch` is the last transaction, `published` the last that surely happened."""

    topic_prefix: str
    epoch: int
    batch: int
    published: int


def only_redrive(pool: asyncpg.Pool, topic_prefix: str) -> AbstractAsyncContextManager[None]:
    """Nobody else puts letters of the prefix back meanwhile. Raises UnenrollError if somebody does, OutageError."""
    busy = f"another redrive of topics {topic_prefix}* is at work: wait for its end, then try again"
    return advisory_lock(pool, f"redrive {topic_prefix}", otherwise=busy)


async def take_redrive(pool: asyncpg.Pool, topic_prefix: str) -> RedriveRow:
    """Raise the epoch and return the row: nobody who took it before can note anything more. Raises OutageError."""
    with postgres_errors():
        row = await pool.fetchrow(QUERIES["take_redrive"], topic_prefix)
    if row is None:
        raise LaneLostError("the right to put letters back could not be taken")
    return RedriveRow(topic_prefix=topic_prefix, **row)


async def settle_redrives(
    pool: asyncpg.Pool, row: RedriveRow, topics: Collection[str], *, published: int
) -> RedriveRow:
    """Keep what was put back up to this transaction, and forget what later ones did not. Raises LaneLostError."""
    async with transaction(pool) as connection:
        _still_ours(await connection.fetchval(QUERIES["redrive_published"], row.topic_prefix, row.epoch, published))
        await connection.execute(QUERIES["release_letters"], topics, published)
    return replace(row, published=published)


async def note_redrive(
    pool: asyncpg.Pool, row: RedriveRow, keys: Collection[LetterKey], *, by: str, even_parked: bool
) -> tuple[RedriveRow, set[LetterKey]]:
    """The row with the next transaction, and those of the letters that it is to put back. Raises LaneLostError."""
    async with transaction(pool) as connection:
        batch = _still_ours(
            await connection.fetchval(QUERIES["redrive_batch"], row.topic_prefix, row.epoch, row.published)
        )
        noted = await connection.fetch(QUERIES["redrive_letters"], *_columns(keys), batch, by, even_parked)
    return replace(row, batch=batch), {LetterKey(*one) for one in noted}


async def park(pool: asyncpg.Pool, keys: Collection[LetterKey], *, by: str, why: str) -> set[LetterKey]:
    """Keep that the letters are not to be put back. Returns those that were open. Raises OutageError."""
    with postgres_errors():
        parked = await pool.fetch(QUERIES["park_letters"], *_columns(keys), by, why)
    return {LetterKey(*one) for one in parked}


async def handled_letters(
    pool: asyncpg.Pool, keys: Collection[LetterKey], *, topic_prefix: str
) -> dict[LetterKey, HandledLetter]:
    """What was done about those of the letters that are not open. Raises OutageError."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["letters_handled"], *_columns(keys), topic_prefix)
    return {
        LetterKey(row["topic"], row["digest"]): HandledLetter(
            state=_state(row), by=row["handled_by"], at=row["handled_at"], why=row["why"]
        )
        for row in rows
    }


def _state(row: asyncpg.Record) -> LetterState:
    if row["batch"] is None:
        return LetterState.PARKED
    return LetterState.REDRIVEN if row["settled"] else LetterState.UNSETTLED


def _still_ours(batch: int | None) -> int:
    if batch is None:
        raise LaneLostError("another redrive took over")
    return batch


def _columns(keys: Iterable[LetterKey]) -> tuple[list[str], list[bytes]]:
    held = list(keys)
    return [key.topic for key in held], [key.digest for key in held]
