"""Lanes that processes take by themselves: who holds which. A lease spares a quarrel; the epoch keeps the promises."""

from collections.abc import Collection
from dataclasses import dataclass

import asyncpg

from unenroll.store.lanes import LaneKey
from unenroll.store.outage import translated
from unenroll.store.queries import QUERIES


@dataclass(frozen=True, kw_only=True, slots=True)
class Lessee:
    """Who holds lanes of a group, and for how long at a time."""

    topic_prefix: str
    group_id: str
    holder: str
    milliseconds: int


async def lease(pool: asyncpg.Pool, lessee: Lessee, numbers: Collection[int]) -> set[int]:
    """Hold these lanes, those of them that nobody else holds. Returns which. Raises OutageError and SetupError."""
    group = (lessee.topic_prefix, lessee.group_id)
    with translated():
        rows = await pool.fetch(
            QUERIES["lease_lanes"], *group, sorted(numbers), lessee.holder, float(lessee.milliseconds)
        )
    return {row["partition"] for row in rows}


async def release(pool: asyncpg.Pool, lessee: Lessee) -> None:
    """Hold none any more. Raises OutageError and SetupError."""
    with translated():
        await pool.execute(QUERIES["release_lanes"], lessee.topic_prefix, lessee.group_id, lessee.holder)


async def holders(pool: asyncpg.Pool, *, topic_prefix: str, group_id: str) -> dict[int, str]:
    """Who holds which lane by itself. Raises OutageError and SetupError."""
    with translated():
        rows = await pool.fetch(QUERIES["leases"], topic_prefix, group_id)
    return {row["partition"]: row["holder"] for row in rows}


async def hindrance(pool: asyncpg.Pool, key: LaneKey, holder: str) -> str | None:
    """Why this holder is not to take the lane; None if it may. Raises OutageError and SetupError."""
    with translated():
        found = await pool.fetchrow(QUERIES["lane_hindrance"], key.topic_prefix, key.group_id, key.partition, holder)
    if found is None:
        return None
    if found["home"] in _AWAY:
        return _AWAY[found["home"]]
    if found["home"] is None and found["cell"]:
        return "this database is a cell that never had the lane: `unenroll cells` gives it lanes"
    if found["holder"] is not None:
        return f"{found['holder']} has it in its UNENROLL_LANES, and goes first as long as it lives"
    return None


_AWAY = {
    "leaving": "it is moving to another database",
    "gone": "it has moved to another database",
    "arriving": "it is moving to this database",
}
