"""One lane's way to another database, step by step. Each step may be done again; none is skipped.

While a lane is on its way nobody decides it: not where it leaves, since its row says so and its epoch is raised, and
not where it arrives, since its row says that as well. In between, it is opened once more by the protocol, so that all
that was decided is published and the former producer fenced.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from unenroll.cells.ground import Ground
from unenroll.cells.places import lane_of
from unenroll.errors import LaneLostError, OutageError, UnenrollError
from unenroll.store.cells import arrived, await_lane, hold_leaving, homes, let_go, write_arriving
from unenroll.store.connect import Connection, transaction
from unenroll.store.copying import AT_ONCE, Copying, astray
from unenroll.store.definitions import define
from unenroll.store.lanes import LaneRow, note_published
from unenroll.store.outage import translated
from unenroll.store.queries import QUERIES
from unenroll.stream.opening import Opening
from unenroll.stream.producer import LaneProducer
from unenroll.wire.stored import load_group

log = structlog.get_logger()

_TRIES = 10
_AGAIN_SECONDS = 0.5
_LONG_SECONDS = 24 * 3600.0
_CLOCKS = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A lane and its move. `copying` knows its ids in both databases."""

    ground: Ground
    move_id: UUID
    copying: Copying

    @property
    def number(self) -> int:
        """The lane's."""
        return self.copying.number

    async def hold(self) -> LaneRow:
        """Let nobody decide here any more, and publish what was decided. Returns the lane as it leaves.

        Raises OutageError, LaneLostError where trying again did not help, and what opening a lane raises.
        """
        for left in range(_TRIES, 0, -1):
            try:
                return await self._drained()
            except (OutageError, LaneLostError):
                if left == 1:
                    raise
                await asyncio.sleep(_AGAIN_SECONDS)
        raise AssertionError

    async def _drained(self) -> LaneRow:
        ground, number = self.ground, self.number
        row = await hold_leaving(ground.source, ground.key(number), self.move_id)
        opening = Opening(
            pool=ground.source,
            cluster=ground.cluster,
            coordinator=ground.coordinator,
            key=ground.key(number),
            topics=ground.topics,
            start=ground.settings.start,
        )
        async with LaneProducer.of_lane(ground.settings, number, batch_bytes=ground.batch_bytes) as producer:
            lane = await opening.open(row, producer)
        await note_published(ground.source, lane)
        log.info("lane held", lane=number, sequence=lane.sequence)
        return lane

    async def copy_rest(self, above: int) -> None:
        """Copy what was decided above this number of the lane, and all that has no number. Nobody decides meanwhile.

        Raises UnenrollError if a customer belongs to another lane.
        """
        customers = await self._decided_above(above)
        strangers = [one for one in customers if lane_of(one, self.ground.partitions) != self.number]
        if strangers:
            raise astray(strangers[0], self.number)
        customers = sorted({*customers, *await self._called()})
        for begin in range(0, len(customers), AT_ONCE):
            await self.copying.customers(customers[begin : begin + AT_ONCE])
        await self.copying.publications(above)
        await self.copying.letters()
        await self.copying.erased()
        log.info("lane copied", lane=self.number, customers=len(customers))

    async def _decided_above(self, above: int) -> list[int]:
        with translated():
            async with self.ground.source.acquire() as connection:
                await connection.execute(QUERIES["takes_long"])
                rows = await connection.fetch(
                    QUERIES["decided_above"], self.copying.source_id, above, timeout=_LONG_SECONDS
                )
        return [row["customer_id"] for row in rows]

    async def _called(self) -> list[int]:
        """Who has called the front door since the move was asked for: nothing may be decided of it yet."""
        with translated():
            rows = await self.ground.source.fetch(QUERIES["called_since"], self.move_id, self.number, _CLOCKS)
        return [one for row in rows if lane_of(one := row["customer_id"], self.ground.partitions) == self.number]

    async def check(self) -> None:
        """Raise UnenrollError if the lane has decided about a customer who belongs to another one."""
        for customer in await self._decided_above(0):
            if lane_of(customer, self.ground.partitions) != self.number:
                raise astray(customer, self.number)

    async def hand_over(self, lane: LaneRow) -> None:
        """Let the lane be gone here, once it is written there with whatever its accounts wait for.

        No definition changes here meanwhile, so that the accounts are told of by one of the databases, and decided
        where the definitions are at least as new.
        """
        async with transaction(self.ground.source) as connection:
            await connection.execute(QUERIES["handing_over_takes_time"])
            versions = await self._define(connection)
            waiting = [(row[0], row[1]) for row in await connection.fetch(QUERIES["all_waiting"]) if self._ours(row[0])]
            due = [tuple(row) for row in await connection.fetch(QUERIES["all_due"]) if self._ours(row[0])]
            await self._write(lane, versions, waiting=waiting, due=due)
            await connection.execute(QUERIES["set_waiting"], *_columns(waiting, 2), False)  # noqa: FBT003 - a value
            await connection.execute(QUERIES["forget_due_of"], [one[0] for one in due])
            await let_go(connection, self.move_id, lane=lane)
        log.info("lane gone", lane=self.number)

    async def arrive(self) -> None:
        """Let the lane be decided where it was moved to."""
        target = (await homes(self.ground.target, self.ground.group))[self.number]
        await arrived(self.ground.target, target, self.move_id)
        log.info("lane arrived", lane=self.number)

    async def _define(self, connection: Connection) -> dict[int, int]:
        """Let the definitions there be at least as new as here. Returns the versions here."""
        rows = await connection.fetch(QUERIES["share_all_groups"])
        for row in rows:
            await define(self.ground.target, load_group(row["definition"]), settle_again=True)
        return {row["group_id"]: row["version"] for row in rows}

    async def _write(
        self,
        lane: LaneRow,
        versions: dict[int, int],
        *,
        waiting: Sequence[tuple[int, int]],
        due: Sequence[tuple[object, ...]],
    ) -> None:
        async with transaction(self.ground.target) as connection:
            there = {row["group_id"]: row["version"] for row in await connection.fetch(QUERIES["share_all_groups"])}
            older = [group_id for group_id in versions if there.get(group_id, 0) < versions[group_id]]
            if older:
                raise UnenrollError(f"the database to move to refuses the definition of group {older[0]} as it is here")
            newer = [group_id for group_id, version in there.items() if version != versions.get(group_id)]
            await connection.execute(QUERIES["set_waiting"], *_columns(waiting, 2), True)  # noqa: FBT003 - a value
            await connection.execute(QUERIES["save_arrived_due"], *_columns(due, 5))
            await connection.execute(QUERIES["save_due_of"], *_columns(waiting, 2), newer)
            await write_arriving(connection, self.copying.target_id, self.move_id, lane=lane)

    def _ours(self, customer_id: int) -> bool:
        return lane_of(customer_id, self.ground.partitions) == self.number


async def passage(ground: Ground, number: int, move_id: UUID, *, source_id: int) -> Passage:
    """The lane, awaited where it is to go. Raises UnenrollError if it is there already."""
    target_id = await await_lane(ground.target, ground.key(number), move_id)
    copying = Copying(
        source=ground.source, target=ground.target, number=number, source_id=source_id, target_id=target_id
    )
    return Passage(ground=ground, move_id=move_id, copying=copying)


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[place] for row in rows] for place in range(width)]
