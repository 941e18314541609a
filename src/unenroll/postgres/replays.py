"""Record the replays that publish decisions again, so that an interrupted replay can continue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg

from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.queries import QUERIES

_MAX_BATCHES = 50
MAX_BATCHES_BYTES = 4 * 2**20


class ReplayLane(NamedTuple):
    """A lane, and the number of its last decision that is known to be published."""

    partition: int
    lane_id: int
    published: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """A replay. `selection` says what it replays, `lanes` at which decision it ends in each lane."""

    replay_id: str
    topic_prefix: str
    group_id: str
    selection: str
    lanes: tuple[ReplayLane, ...]
    finished_at: datetime | None = None


class ReplayBatch(NamedTuple):
    """The packed messages of a batch. `sequence` is the number of its last decision."""

    sequence: int
    outputs: bytes
    decided_at: datetime


async def published_lanes(pool: asyncpg.Pool, *, topic_prefix: str, group_id: str) -> list[ReplayLane]:
    """Return the lanes of the group. A lane may have published more than that. Raises OutageError and SetupError."""
    with postgres_errors():
        return [ReplayLane(*row) for row in await pool.fetch(QUERIES["published_lanes"], topic_prefix, group_id)]


async def begin_replay(pool: asyncpg.Pool, replay: Replay) -> Replay:
    """Record the replay unless its id is recorded already, and return the recorded one.

    Raises OutageError and SetupError.
    """
    columns = zip(*replay.lanes, strict=True) if replay.lanes else ((), (), ())
    row = (replay.replay_id, replay.topic_prefix, replay.group_id, replay.selection)
    with postgres_errors():
        await pool.execute(QUERIES["begin_replay"], *row, *(list(column) for column in columns))
        ((topic_prefix, group_id, selection, *lanes, finished_at),) = await pool.fetch(
            QUERIES["replay"], replay.replay_id
        )
    return Replay(
        replay_id=replay.replay_id,
        topic_prefix=topic_prefix,
        group_id=group_id,
        selection=selection,
        lanes=tuple(map(ReplayLane._make, zip(*lanes, strict=True))),
        finished_at=finished_at,
    )


async def finish_replay(pool: asyncpg.Pool, replay_id: str) -> None:
    """Record that the replay has published everything. Raises OutageError and SetupError."""
    with postgres_errors():
        await pool.execute(QUERIES["finish_replay"], replay_id)


async def publications_between(pool: asyncpg.Pool, lane: ReplayLane, above: int) -> Sequence[ReplayBatch]:
    """Return the next batches after the decision `above`, in order, up to the end of the replay in this lane.

    A batch has some 8 MiB at most before compression, and `MAX_BATCHES_BYTES` ends a page after the batch that exceeds
    it. Raises OutageError and SetupError.
    """
    place = lane.lane_id, above, lane.published
    with postgres_errors():
        rows = await pool.fetch(QUERIES["publications_between"], *place, _MAX_BATCHES, MAX_BATCHES_BYTES)
    return [ReplayBatch(*row) for row in rows]
