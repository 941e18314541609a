"""Which lanes a cell has, and where a customer belongs."""

from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

from rich.text import Text

from unenroll.cells.places import lane_of
from unenroll.errors import SetupError
from unenroll.moments import clock_time
from unenroll.paper import plain, printed, titled
from unenroll.settings import WorkerSettings
from unenroll.store.cells import homes
from unenroll.store.connect import check_tables, connected
from unenroll.store.outage import translated
from unenroll.store.queries import QUERIES
from unenroll.stream.cluster import Cluster
from unenroll.stream.topics import INPUTS, existing_topics

_LATEST = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneShown:
    """A lane: `home` is here, leaving, gone or arriving."""

    lane: int
    home: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MoveShown:
    """A lane's move. `done_at` None: it was broken off, or is under way."""

    lane: int
    came_from: str
    goes_to: str
    by: str
    why: str
    asked_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CellShown:
    """A database. `cell` False: it is none, and takes any lane."""

    database: str
    cell: bool
    lanes: tuple[LaneShown, ...]
    moves: tuple[MoveShown, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """The lane that a customer belongs to, and whether it is here; None: the database does not know the lane."""

    customer: int
    lane: int
    home: str | None


async def cell(settings: WorkerSettings) -> CellShown:
    """The database as a cell. Changes nothing. Raises OutageError and SetupError."""
    group = (settings.topic_prefix, settings.group_id)
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        known = await homes(pool, group)
        with translated():
            moves = await pool.fetch(QUERIES["latest_lane_moves"], *group, _LATEST)
            return CellShown(
                database=await pool.fetchval(QUERIES["database_identity"]),
                cell=await pool.fetchval(QUERIES["is_a_cell"], *group),
                lanes=tuple(LaneShown(lane=number, home=home.home) for number, home in known.items()),
                moves=tuple(
                    MoveShown(
                        lane=row["partition"],
                        came_from=row["came_from"],
                        goes_to=row["goes_to"],
                        by=row["moved_by"],
                        why=row["why"],
                        asked_at=row["asked_at"],
                        done_at=row["done_at"],
                    )
                    for row in moves
                ),
            )


async def where(settings: WorkerSettings, customer: int) -> Where:
    """Where the customer belongs. Raises OutageError and SetupError."""
    topics = await existing_topics(Cluster(settings), (settings.topic_prefix + word for word in INPUTS))
    counts = {topic.partitions for topic in topics.values()}
    if len(counts) > 1:
        raise SetupError("the input topics have not as many partitions as each other, so a customer has no lane")
    lane = lane_of(customer, counts.pop())
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        known = await homes(pool, (settings.topic_prefix, settings.group_id))
    return Where(customer=customer, lane=lane, home=known[lane].home if lane in known else None)


def cell_told(found: CellShown, file: TextIO) -> str:
    """The cell, as it is to be shown in this file."""
    state = "a cell: it decides the lanes that are here" if found.cell else "no cell: it decides any lane"
    lanes = ((str(one.lane), plain(one.home, "green" if one.home == "here" else "yellow")) for one in found.lanes)
    moves = (
        (
            str(one.lane),
            one.came_from,
            one.goes_to,
            clock_time(one.asked_at),
            plain(one.by),
            plain(one.why),
            Text("done") if one.done_at else Text("not done", "yellow"),
        )
        for one in found.moves
    )
    return printed(
        [
            Text(f"Database {found.database} is {state}", "bold"),
            *titled("Lanes", ("lane", "home"), lanes),
            *titled("Moves, the latest first", ("lane", "from", "to", "when", "by", "why", ""), moves),
        ],
        file,
    )
