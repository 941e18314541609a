"""What is missing, sent to its input topic as it was: key, value and headers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unenroll.publish.sender import Sender
from unenroll.stream.cluster import Partition
from unenroll.stream.topics import INPUTS
from unenroll.wire.record import Message, Record, batch_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """`limits` has the most bytes that a batch to each topic may have, by the topic's word."""

    sender: Sender
    prefix: str
    limits: Mapping[str, int]

    def fits(self, record: Record) -> bool:
        """Whether the record can be sent as it was: a copy may take more, and headers may not be readable."""
        message = self._message(record)
        return record.unreadable is None and batch_bytes(message) <= self.limits[message.topic]

    async def send(self, records: Sequence[Record]) -> Mapping[Partition, int]:
        """Send them in order. Returns when all are there: before which offsets. Raises OutageError and SetupError."""
        await self.tell([self._message(record) for record in records])
        inputs = {self.prefix + word for word in INPUTS}
        return {place: end for place, end in self.sender.ends.items() if place.topic in inputs}

    async def tell(self, messages: Sequence[Message]) -> None:
        """The same of messages."""
        await asyncio.to_thread(self._send, messages)

    def _send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.sender.send(message)
        self.sender.finish()

    def _message(self, record: Record) -> Message:
        word = record.topic.removeprefix(self.prefix)
        return Message(topic=word, key=record.key, value=record.value, headers=record.headers)
