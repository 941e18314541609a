"""Polls of the consumer that all lanes share. A poll is never cancelled: it may have taken records already."""

import asyncio
from collections import defaultdict
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

Found = dict[TopicPartition, list[ConsumerRecord]]

_POLL_MS = 250


class Polls:
    """One poll at a time for each partition number."""

    def __init__(self, consumer: AIOKafkaConsumer, *, most_records: int) -> None:
        self._consumer = consumer
        self._most_records = most_records
        self._left_behind: dict[int, set[asyncio.Task[Any]]] = defaultdict(set)

    async def take(
        self, places: list[TopicPartition], stopping: asyncio.Event, *, most_records: int | None = None
    ) -> Found | None:
        """What the partitions hold, perhaps nothing; None once `stopping` is set. Raises what the client raises.

        While the group is rebalancing a poll does not return; then it is left behind.
        """
        most = most_records or self._most_records
        poll = asyncio.ensure_future(self._consumer.getmany(*places, timeout_ms=_POLL_MS, max_records=most))
        stop = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({poll, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if not poll.done():
                self._leave(poll, places[0].partition)
        if stopping.is_set():
            return None
        found: Found = await poll
        return found

    async def settled(self, partition: int) -> None:
        """Wait until no poll that was left behind can take records of this partition number any more."""
        while self._left_behind[partition]:
            await asyncio.wait(self._left_behind[partition])

    def _leave(self, poll: asyncio.Task[Any], partition: int) -> None:
        self._left_behind[partition].add(poll)
        poll.add_done_callback(lambda done: self._forget(done, partition))

    def _forget(self, done: asyncio.Task[Any], partition: int) -> None:
        self._left_behind[partition].discard(done)
        if not done.cancelled():
            done.exception()  # nobody waits for it: its records will be read again
