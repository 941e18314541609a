"""Lanes moved from one database to another, while workers decide the others, and these until the last moment.

Broken off at any point, it is done again with the same lanes, and goes on where it was.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import structlog

from unenroll.cells.ground import Ground, ground
from unenroll.cells.passage import Passage, passage
from unenroll.cells.places import customers_of
from unenroll.errors import UnenrollError
from unenroll.lane_numbers import numbers_text
from unenroll.settings import MoveSettings
from unenroll.store.cells import LONG_SECONDS, LaneHome, Noted, homes, is_cell, make_cell, nobody_moves
from unenroll.store.connect import transaction
from unenroll.store.copying import forget, forget_letters, forget_publications
from unenroll.store.definitions import define
from unenroll.store.outage import translated
from unenroll.store.queries import QUERIES
from unenroll.wire.stored import load_group

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class MoveOrder:
    """Which lanes are to move, by whom and why."""

    numbers: tuple[int, ...]
    by: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LanesMoved:
    """The lanes that moved, from which database to which, as these call themselves."""

    lanes: tuple[int, ...]
    came_from: str
    goes_to: str


async def move(settings: MoveSettings, order: MoveOrder) -> LanesMoved:
    """Move the lanes. Raises UnenrollError where they cannot be moved, OutageError and SetupError.

    Whatever breaks it off: to do it again goes on.
    """
    async with ground(settings) as found, _alone(found.source), _alone(found.target):
        moving = Moving(ground=found, order=order)
        await moving.prepare()
        async with _indexed(found.source):
            passages = await moving.passages()
            await moving.copy(passages)
            for one in passages:
                await moving.hand_over(one)
        await forgotten(found.source, await homes(found.source, found.group), order.numbers, ground=found)
        await moving.done()
    came_from, goes_to = found.names
    return LanesMoved(lanes=order.numbers, came_from=came_from, goes_to=goes_to)


async def stay(settings: MoveSettings, numbers: tuple[int, ...]) -> LanesMoved:
    """Let lanes that are on their way stay where they are. Raises UnenrollError if one is gone already, OutageError."""
    async with ground(settings) as found, _alone(found.source), _alone(found.target):
        here, there = await homes(found.source, found.group), await homes(found.target, found.group)
        for number in numbers:
            if number not in here or here[number].gone:
                raise UnenrollError(f"lane {number} is not here any more: it can only be moved back")
        with translated():
            rows = await found.target.fetch(QUERIES["share_all_groups"])
        for row in rows:  # what was told of there already has to be known here
            await define(found.source, load_group(row["definition"]), settle_again=True)
        for number in numbers:
            if number in there and there[number].arriving:
                with translated():
                    gone = (*found.group, number, there[number].move_id)
                    await found.target.execute(QUERIES["lane_not_awaited"], *gone)
        await forgotten(found.target, await homes(found.target, found.group), numbers, ground=found)
        for number in numbers:
            with translated():
                await found.source.execute(QUERIES["lane_stays"], here[number].lane_id, here[number].move_id)
                for pool in (found.source, found.target):
                    await pool.execute(QUERIES["moves_given_up"], *found.group, number)
        return LanesMoved(lanes=numbers, came_from=found.names[0], goes_to=found.names[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class Moving:
    """One run."""

    ground: Ground
    order: MoveOrder

    async def prepare(self) -> None:
        """Let both databases be cells, and the one where lanes arrive know the definitions. Raises UnenrollError."""
        found, every = self.ground, range(self.ground.partitions)
        if any(number not in every for number in self.order.numbers):
            raise UnenrollError(f"there are lanes 0 to {found.partitions - 1}, and not all of these are among them")
        if not await is_cell(found.target, found.group):
            await make_cell(found.target, found.group, ())
        with translated():
            cell = await found.source.fetchval(QUERIES["is_a_cell"], *found.group)
        if not cell:
            await make_cell(found.source, found.group, every)
        with translated():
            rows = await found.source.fetch(QUERIES["share_all_groups"])
        for row in rows:
            await define(found.target, load_group(row["definition"]), settle_again=True)

    async def passages(self) -> list[Passage]:
        """The lanes that have not arrived yet. Raises UnenrollError if one of them is not here."""
        here = await homes(self.ground.source, self.ground.group)
        there = await homes(self.ground.target, self.ground.group)
        found = []
        for number in self.order.numbers:
            leaves, arrives = here.get(number), there.get(number)
            if leaves is None or (leaves.gone and (arrives is None or arrives.move_id != leaves.move_id)):
                raise UnenrollError(f"lane {number} is not in the database that UNENROLL_DATABASE_URL names")
            if not (leaves.gone and arrives is not None and arrives.here):
                found.append(await self._passage(leaves, arrives))
        return found

    async def _passage(self, leaves: LaneHome, arrives: LaneHome | None) -> Passage:
        begun = leaves.move_id if not leaves.here else arrives.move_id if arrives and arrives.arriving else None
        move_id = begun or uuid4()
        for pool in (self.ground.source, self.ground.target):
            with translated():
                noted = (*self.ground.group, leaves.number, *self.ground.names, None, self.order.by, self.order.why)
                await pool.execute(QUERIES["note_move"], move_id, *noted)
        kept = await self._noted(move_id, leaves.number)
        if kept.goes_to != self.ground.names[1]:
            raise UnenrollError(f"lane {leaves.number} is on its way to another database: finish that move first")
        return await passage(self.ground, leaves.number, move_id, source_id=leaves.lane_id)

    async def _noted(self, move_id: UUID, number: int) -> Noted:
        with translated():
            row = await self.ground.source.fetchrow(QUERIES["noted_move"], move_id, number)
        if row is None:
            raise UnenrollError(f"nobody knows of the move of lane {number}")
        return Noted(copied_above=row["copied_above"], goes_to=row["goes_to"])

    async def copy(self, passages: Sequence[Passage]) -> None:
        """Copy what there is, while the lanes go on: what they decide meanwhile is copied when they are held."""
        left = {
            one.number: one for one in passages if (await self._noted(one.move_id, one.number)).copied_above is None
        }
        if not left:
            return
        for one in left.values():
            await one.check()
        before = {
            number: home.sequence for number, home in (await homes(self.ground.source, self.ground.group)).items()
        }
        async for number, customers in customers_of(self.ground.source, left, self.ground.partitions):
            await left[number].copying.customers(customers)
        for number, one in left.items():
            await one.copying.publications(0)
            with translated():
                await self.ground.source.execute(QUERIES["note_copied"], one.move_id, number, before[number])
        log.info("copied ahead", lanes=numbers_text(left))

    async def hand_over(self, one: Passage) -> None:
        """Hold the lane here, copy the rest, and let it be decided there."""
        home = (await homes(self.ground.source, self.ground.group))[one.number]
        if not home.gone:
            above = (await self._noted(one.move_id, one.number)).copied_above
            lane = await one.hold()
            await one.copy_rest(above or 0)
            await one.hand_over(lane)
        await one.arrive()

    async def done(self) -> None:
        """Note that nothing of these moves is left to do."""
        for number, home in (await homes(self.ground.source, self.ground.group)).items():
            if number in self.order.numbers:
                with translated():
                    await self.ground.source.execute(QUERIES["move_done"], home.move_id, number)


async def forgotten(
    pool: asyncpg.Pool, known: dict[int, LaneHome], numbers: Collection[int], *, ground: Ground
) -> None:
    """Forget all that a database has of lanes that are gone from it. Raises OutageError."""
    gone = {number: known[number] for number in numbers if number in known and known[number].gone}
    async for _, customers in customers_of(pool, gone, ground.partitions):
        async with transaction(pool) as connection:
            await forget(connection, customers)
    for home in gone.values():
        await forget_publications(pool, home.lane_id)
        async with transaction(pool) as connection:
            await forget_letters(connection, home.lane_id)
    log.info("forgotten where they were", lanes=numbers_text(gone))


@asynccontextmanager
async def _alone(pool: asyncpg.Pool) -> AsyncIterator[None]:
    async with nobody_moves(pool, otherwise="somebody else moves lanes from or to one of the databases"):
        yield


@asynccontextmanager
async def _indexed(pool: asyncpg.Pool) -> AsyncIterator[None]:
    """While the block runs, what a lane has decided lately is found without reading the whole ledger."""
    await _outside_transactions(pool, "drop_index", only_if="broken_index")
    await _outside_transactions(pool, "index_moves")
    yield
    await _outside_transactions(pool, "drop_index")


async def _outside_transactions(pool: asyncpg.Pool, query: str, *, only_if: str | None = None) -> None:
    with translated():
        async with pool.acquire() as connection:
            if only_if is not None and not await connection.fetchval(QUERIES[only_if]):
                return
            await connection.execute(QUERIES["takes_long"])
            await connection.execute(QUERIES[query], timeout=LONG_SECONDS)
