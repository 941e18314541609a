"""Replays that publish again: what each was asked for, kept so that it can go on after its own death."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg

from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.queries import QUERIES


class ReplayLane(NamedTuple):
    """A lane, and the number of the last decision that it is known to have published."""

    partition: int
    lane_id: int
    published: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """A replay: `selection` is what it was asked for, `lanes` where it ends in each of them."""

    replay_id: str
    topic_prefix: str
    group_id: str
    selection: str
    lanes: tuple[ReplayLane, ...]
    finished_at: datetime | None = None


class ReplayBatch(NamedTuple):
    """The packed outputs of a batch. `sequence` is the number of its last decision."""

    sequence: int
    outputs: bytes
    decided_at: datetime


async def published_lanes(pool: asyncpg.Pool, *, topic_prefix: str, group_id: str) -> list[ReplayLane]:
    """The lanes of a group. What the row tells as published is a lower bound. Raises OutageError and SetupError."""
    with postgres_errors():
        return [ReplayLane(*row) for row in await pool.fetch(QUERIES["published_lanes"], topic_prefix, group_id)]


async def begin_replay(pool: asyncpg.Pool, wanted: Replay) -> Replay:
    """Note the replay. Returns it as it was noted first. Raises OutageError and SetupError."""
    columns = zip(*wanted.lanes, strict=True) if wanted.lanes else ((), (), ())
    asked = (wanted.replay_id, wanted.topic_prefix, wanted.group_id, wanted.selection)
    with postgres_errors():
        await pool.execute(QUERIES["begin_replay"], *asked, *(list(column) for column in columns))
        ((topic_prefix, group_id, selection, *lanes, finished_at),) = await pool.fetch(
            QUERIES["replay"], wanted.replay_id
        )
    return Replay(
        replay_id=wanted.replay_id,
        topic_prefix=topic_prefix,
        group_id=group_id,
        selection=selection,
        lanes=tuple(map(ReplayLane._make, zip(*lanes, strict=True))),
        finished_at=finished_at,
    )


async def finish_replay(pool: asyncpg.Pool, replay_id: str) -> None:
    """Note that all of it is published. Raises OutageError and SetupError."""
    with postgres_errors():
        await pool.execute(QUERIES["finish_replay"], replay_id)


async def publications_between(pool: asyncpg.Pool, lane: ReplayLane, above: int, *, most: int) -> Sequence[ReplayBatch]:
    """What the lane decided after this number, as far as the replay goes, at most so many batches."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["publications_between"], lane.lane_id, above, lane.published, most)
    return [ReplayBatch(*row) for row in rows]
