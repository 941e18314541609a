"""The lanes of a group, and what they have not published as far as they know."""

from dataclasses import dataclass

import asyncpg

from unenroll.store.lanes import LaneRow, lane_row
from unenroll.store.outage import postgres_errors
from unenroll.store.queries import QUERIES


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneBehind:
    """A lane, and how many batches it has decided that are not known to be published."""

    row: LaneRow
    unpublished: int


async def lanes_of(pool: asyncpg.Pool, *, topic_prefix: str, group_id: str) -> list[LaneBehind]:
    """The lanes of the group, by number. Raises OutageError and SetupError."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["lanes_of_group"], topic_prefix, group_id)
    return [LaneBehind(row=lane_row(row), unpublished=row["unpublished"]) for row in rows]
