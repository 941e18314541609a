"""What a lane has published, noted in its row also when no batch comes that would bring it there."""

from dataclasses import dataclass
from time import monotonic

import asyncpg

from unenroll.store.lanes import LaneRow, note_published

_QUIET_SECONDS = 30.0


@dataclass(kw_only=True, slots=True)
class Quiet:
    """One opening's. Kafka forgets the offsets of a group without members after a while, and the number beside them.

    A lane that its process takes by itself has no other member, and may have nothing to do for longer than that.
    """

    pool: asyncpg.Pool
    noted: int
    since: float

    async def go_by(self, lane: LaneRow) -> None:
        """The lane had nothing to do. Raises OutageError."""
        if lane.published > self.noted and monotonic() - self.since > _QUIET_SECONDS:
            await note_published(self.pool, lane)
            self.noted = lane.published

    def end(self) -> None:
        """It had."""
        self.since = monotonic()
