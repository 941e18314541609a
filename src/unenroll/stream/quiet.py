"""What a lane has published, noted in its row also when no batch comes that would bring it there."""

from dataclasses import dataclass
from time import monotonic

import asyncpg

from unenroll.store.lanes import LaneRow, note_published

_QUIET_SECONDS = 30.0


@dataclass(kw_only=True, slots=True)
class Quiet:
    """One opening's. A worker that is killed while it is idle leaves a row that knows all that was published.

    So the number is known also when the committed offsets, and the number beside them, expire or are reset before the
    lane is opened again.
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
