"""Record what operators do about dead letters: redrive them to their topics, or park them."""

from collections.abc import Collection, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import asyncpg

from unenroll.errors import LaneLostError
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.ledger import LetterKey
from unenroll.postgres.pool import advisory_lock, transaction
from unenroll.postgres.queries import QUERIES


class LetterState(StrEnum):
    """The state of a dead letter.

    UNSETTLED: a redrive was interrupted. The next redrive finds out whether it has sent the letter.
    """

    OPEN = "open"
    REDRIVEN = "redriven"
    UNSETTLED = "unsettled"
    PARKED = "parked"


@dataclass(frozen=True, kw_only=True, slots=True)
class HandledLetter:
    """A dead letter that was redriven or parked, by whom, and when. `why` is the reason for parking."""

    state: LetterState
    by: str
    at: datetime
    why: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RedriveRow:
    """The state of the redrives of a topic prefix.

    `batch` is the number of the last transaction, `published` that of the last one which is known to be committed.
    """

    topic_prefix: str
    epoch: int
    batch: int
    published: int


def redrive_lock(pool: asyncpg.Pool, topic_prefix: str) -> AbstractAsyncContextManager[None]:
    """Allow only one redrive of a topic prefix. Raises UnenrollError if another one is running, and OutageError."""
    busy = f"another redrive of topics {topic_prefix}* is running: wait until it ends, then try again"
    return advisory_lock(pool, f"redrive {topic_prefix}", busy=busy)


async def take_redrive(pool: asyncpg.Pool, topic_prefix: str) -> RedriveRow:
    """Increase the epoch and return the row: earlier redrives cannot record anything any more. Raises OutageError."""
    with postgres_errors():
        row = await pool.fetchrow(QUERIES["take_redrive"], topic_prefix)
    if row is None:
        raise LaneLostError("could not start the redrive: Postgres returned no row")
    return RedriveRow(topic_prefix=topic_prefix, **row)


async def settle_redrives(
    pool: asyncpg.Pool, row: RedriveRow, topics: Collection[str], *, published: int
) -> RedriveRow:
    """Confirm the letters of the transactions up to `published`, and reopen the others. Raises LaneLostError."""
    async with transaction(pool) as connection:
        _check_epoch(await connection.fetchval(QUERIES["redrive_published"], row.topic_prefix, row.epoch, published))
        await connection.execute(QUERIES["release_letters"], topics, published)
    return replace(row, published=published)


async def record_redrive(
    pool: asyncpg.Pool, row: RedriveRow, keys: Collection[LetterKey], *, by: str, even_parked: bool
) -> tuple[RedriveRow, set[LetterKey]]:
    """Record the next transaction. Returns the row with it, and the letters that it may send. Raises LaneLostError."""
    async with transaction(pool) as connection:
        batch = _check_epoch(
            await connection.fetchval(QUERIES["next_redrive_batch"], row.topic_prefix, row.epoch, row.published)
        )
        rows = await connection.fetch(QUERIES["redrive_letters"], *_columns(keys), batch, by, even_parked)
    return replace(row, batch=batch), {LetterKey(*one) for one in rows}


async def save_parked(pool: asyncpg.Pool, keys: Collection[LetterKey], *, by: str, why: str) -> set[LetterKey]:
    """Park those of the letters that are open, and return them. Raises OutageError."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["park_letters"], *_columns(keys), by, why)
    return {LetterKey(*one) for one in rows}


async def handled_letters(
    pool: asyncpg.Pool, keys: Collection[LetterKey], *, topic_prefix: str
) -> dict[LetterKey, HandledLetter]:
    """Return what was done about those of the letters that are not open. Raises OutageError."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["handled_letters"], *_columns(keys), topic_prefix)
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


def _check_epoch(batch: int | None) -> int:
    if batch is None:
        raise LaneLostError("another redrive has taken over")
    return batch


def _columns(keys: Iterable[LetterKey]) -> tuple[list[str], list[bytes]]:
    ordered = list(keys)
    return [key.topic for key in ordered], [key.digest for key in ordered]
