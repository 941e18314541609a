"""Where lanes are decided: in this database, in another one, or on the way."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from unenroll.errors import LaneLostError, UnenrollError
from unenroll.lane_numbers import numbers_text
from unenroll.store.connect import Connection, transaction
from unenroll.store.lanes import LaneKey, LaneRow, lane_row, lanes_of_older
from unenroll.store.only_one import only_one
from unenroll.store.outage import translated
from unenroll.store.queries import QUERIES

LONG_SECONDS = 24 * 3600.0
_HOMES_SINCE = "0010"
_MOVING = "moving lanes"
_HERE, _LEAVING, _GONE, _ARRIVING = "here", "leaving", "gone", "arriving"


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneHome:
    """Where a lane is, as one database knows it: here, leaving, gone or arriving, and by which move."""

    number: int
    lane_id: int
    home: str
    move_id: UUID | None
    sequence: int

    @property
    def here(self) -> bool:
        """Whether it is decided in this database."""
        return self.home == _HERE

    @property
    def leaving(self) -> bool:
        """Whether it was held to be moved elsewhere."""
        return self.home == _LEAVING

    @property
    def gone(self) -> bool:
        """Whether it is decided elsewhere."""
        return self.home == _GONE

    @property
    def arriving(self) -> bool:
        """Whether it is being moved here."""
        return self.home == _ARRIVING


@dataclass(frozen=True, kw_only=True, slots=True)
class Noted:
    """A move as it is kept: up to which decision the lane was copied before it was held; None: not yet."""

    copied_above: int | None
    goes_to: str


async def homes(pool: asyncpg.Pool, group: tuple[str, str]) -> dict[int, LaneHome]:
    """The lanes of the group (topic prefix, id) that the database knows, by number. Raises OutageError."""
    with translated():
        rows = await pool.fetch(QUERIES["lane_homes"], *group)
    return {
        row["partition"]: LaneHome(
            number=row["partition"],
            lane_id=row["lane_id"],
            home=row["home"],
            move_id=row["move_id"],
            sequence=row["sequence"],
        )
        for row in rows
    }


async def check_one_group(pool: asyncpg.Pool, group: tuple[str, str]) -> None:
    """Raise UnenrollError if lanes of other groups decide about the same accounts."""
    with translated():
        others = await pool.fetch(QUERIES["strangers"], *group)
    if others:
        told = ", ".join(f"{row['group_id']} of {row['topic_prefix']}*" for row in others)
        raise UnenrollError(f"a database of cells belongs to one group, and this one has lanes of {told} as well")


async def make_cell(pool: asyncpg.Pool, group: tuple[str, str], numbers: Collection[int]) -> None:
    """From now on the database has these lanes, those that it knows already, and no others. Raises OutageError.

    Raises UnenrollError if older programs may be at work, which take a lane wherever it is.
    """
    older = await lanes_of_older(pool, _HOMES_SINCE)
    if older:
        key, version = older[0]
        raise UnenrollError(
            f"lane {key.partition} of group {key.group_id} may be held by a worker of an older version "
            f"({version or 'unknown'}), which knows of no cells: upgrade all workers, and let them open their lanes"
        )
    async with transaction(pool) as connection:
        await connection.execute(QUERIES["oldest_is"], _HOMES_SINCE)
        await connection.execute(QUERIES["nobody_makes_lanes"])
        await connection.execute(QUERIES["make_cell"], *group)
        await connection.execute(QUERIES["claim_lanes"], *group, sorted(numbers))


async def is_cell(pool: asyncpg.Pool, group: tuple[str, str]) -> bool:
    """Whether the database is a cell of the group. Raises UnenrollError if it is none, and not empty either."""
    with translated():
        found = await pool.fetchrow(QUERIES["is_cell"], *group)
    if found is None or (not found["cell"] and (found["lanes"] or found["decisions"])):
        raise UnenrollError("the database to move to is no cell, and not empty: lanes move to a cell or an empty one")
    return bool(found["cell"])


@asynccontextmanager
async def nobody_moves(pool: asyncpg.Pool, *, otherwise: str) -> AsyncIterator[None]:
    """While the block runs, no lane is moved from or to this database. Raises UnenrollError if one is, OutageError."""
    async with only_one(pool, _MOVING, otherwise=otherwise):
        yield


async def check_none_under_way(pool: asyncpg.Pool) -> None:
    """Raise UnenrollError if a lane is on its way, also if nobody moves it at the moment. Raises OutageError."""
    with translated():
        rows = await pool.fetch(QUERIES["moves_under_way"])
    if rows:
        told = numbers_text([row["partition"] for row in rows])
        raise UnenrollError(f"lanes {told} are on their way to or from another database: finish that move first")


async def check_quiet(pool: asyncpg.Pool, group: tuple[str, str]) -> None:
    """Raise UnenrollError while something is under way that is noted by the numbers of lanes."""
    with translated():
        replays = await pool.fetch(QUERIES["unfinished_replays"], *group)
        unsettled = await pool.fetchval(QUERIES["unsettled_letters"])
    if replays:
        raise UnenrollError(f"replay {replays[0]['replay_id']} is not finished: finish it first")
    if unsettled:
        raise UnenrollError("a redrive of dead letters was broken off: `unenroll dlq redrive` finishes it")


async def await_lane(pool: asyncpg.Pool, key: LaneKey, move_id: UUID) -> int:
    """The lane is to come here by this move. Returns its id here. Raises UnenrollError if it is here already."""
    with translated():
        found: int | None = await pool.fetchval(
            QUERIES["await_lane"], key.topic_prefix, key.group_id, key.partition, move_id
        )
    if found is None:
        raise UnenrollError(f"the database to move to has lane {key.partition} already, or awaits it from elsewhere")
    return found


async def hold_leaving(pool: asyncpg.Pool, key: LaneKey, move_id: UUID) -> LaneRow:
    """The lane's row, which nobody here decides any more. Raises LaneLostError, OutageError."""
    with translated():
        row = await pool.fetchrow(QUERIES["hold_leaving"], key.topic_prefix, key.group_id, key.partition, move_id)
    if row is None:
        raise LaneLostError(f"lane {key.partition} is not here to be moved")
    return lane_row(row)


async def write_arriving(connection: Connection, lane_id: int, move_id: UUID, *, lane: LaneRow) -> None:
    """Let the lane that is to come be as it was. Raises UnenrollError if it is not awaited any more."""
    positions = lane.positions
    written = await connection.fetchval(
        QUERIES["write_arriving"],
        lane_id,
        move_id,
        lane.epoch,
        lane.sequence,
        [position.topic for position in positions],
        [position.topic_id for position in positions],
        [position.partitions for position in positions],
        [position.offset for position in positions],
    )
    _still(written, lane.partition)


async def let_go(connection: Connection, move_id: UUID, *, lane: LaneRow) -> None:
    """The lane is decided elsewhere from now on. Raises UnenrollError unless it is as `lane` says."""
    _still(await connection.fetchval(QUERIES["lane_gone"], lane.lane_id, move_id, lane.epoch), lane.partition)


async def arrived(pool: asyncpg.Pool, home: LaneHome, move_id: UUID) -> None:
    """The lane is decided here from now on. Raises UnenrollError if it is not awaited any more."""
    with translated():
        _still(await pool.fetchval(QUERIES["lane_arrived"], home.lane_id, move_id), home.number)
        await pool.execute(QUERIES["move_done"], move_id, home.number)


def _still(found: int | None, number: int) -> None:
    if found is None:
        raise UnenrollError(f"somebody else has changed what becomes of lane {number} meanwhile: look, and begin again")
