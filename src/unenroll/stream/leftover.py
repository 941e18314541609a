"""Lanes whose partition no topic has any more: what they decided and did not publish is published by who starts next.

Nothing can be committed for a partition that is not there, so the number of the last decision is noted in a group of
the lane's own, at a partition that is.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import asyncpg
import structlog

from unenroll.errors import LaneLostError, OutageError
from unenroll.settings import WorkerSettings
from unenroll.store.behind import lanes_of
from unenroll.store.lanes import LaneKey, LaneRow, leave_lane, publications_above, take_lane
from unenroll.stream.cluster import Partition, Topic
from unenroll.stream.coordinator import committed_by
from unenroll.stream.producer import LaneProducer
from unenroll.stream.resume import last_published, metadata
from unenroll.stream.topics import INPUTS
from unenroll.wire.names import Topic as Word
from unenroll.wire.pack import unpack
from unenroll.wire.record import Message

log = structlog.get_logger()

_TRIES = 5
_SECONDS_BETWEEN = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Leftover:
    """What it takes to publish it. `topics` are all of ours, by full name."""

    settings: WorkerSettings
    pool: asyncpg.Pool
    topics: Mapping[str, Topic]
    batch_bytes: int

    async def publish(self) -> None:
        """Publish what is left, once. Raises OutageError, LaneLostError and SetupError.

        Another worker that starts now does the same: one of the two is overtaken, and looks again.
        """
        for left in range(_TRIES, 0, -1):
            try:
                for number in await self._lanes():
                    await self._publish(number)
            except (OutageError, LaneLostError):
                if left == 1:
                    raise
                await asyncio.sleep(_SECONDS_BETWEEN)
            else:
                return

    async def _lanes(self) -> list[int]:
        names = [self.settings.topic_prefix + word for word in INPUTS]
        most = max(self.topics[name].partitions for name in names)
        lanes = await lanes_of(self.pool, topic_prefix=self.settings.topic_prefix, group_id=self.settings.group_id)
        return [lane.row.partition for lane in lanes if lane.row.partition >= most and lane.unpublished]

    async def _publish(self, number: int) -> None:
        prefix, group_id = self.settings.topic_prefix, self.settings.group_id
        row = await take_lane(
            self.pool, LaneKey(topic_prefix=prefix, group_id=group_id, partition=number), to_work=False
        )
        own = self.settings.model_copy(update={"group_id": f"{group_id}.lane-{number}"})
        note = Partition(topic=prefix + Word.DEAD_LETTERS, number=0)
        lane = LaneProducer.of_lane(self.settings, number, batch_bytes=self.batch_bytes, group_id=own.group_id)
        async with lane as producer:  # from here on, no former owner can commit anything more
            told = {
                **await committed_by(own, [note]),
                **await committed_by(self.settings, [Partition(topic=prefix + word, number=number) for word in INPUTS]),
            }
            messages = await self._messages(row, last_published(row.published, told.values()))
            await producer.publish(messages, {note: (0, metadata(row.sequence))})
        await leave_lane(self.pool, replace(row, published=row.sequence))
        log.warning("orphaned_lane_published", lane=number, published=len(messages))

    async def _messages(self, row: LaneRow, published: int) -> list[Message]:
        return [message for packed in await publications_above(self.pool, row, published) for message in unpack(packed)]
