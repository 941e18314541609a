"""The requests of a plan on their topic, without those that are decided already."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import asyncpg

from unenroll.apply.pages import Page
from unenroll.errors import UnenrollError
from unenroll.load.patience import patiently
from unenroll.publish.publishing import most_bytes
from unenroll.publish.sender import Sender
from unenroll.settings import KafkaSettings
from unenroll.store.plans import decided_requests
from unenroll.wire.names import Topic
from unenroll.wire.record import Message, batch_bytes


class OpenTopic(NamedTuple):
    """The topic of requests, and the most bytes that it takes at once."""

    sender: Sender
    most_bytes: int


async def opened(settings: KafkaSettings) -> OpenTopic:
    """The topic of requests, ready. Raises OutageError and SetupError."""
    limits = await most_bytes(settings)
    return OpenTopic(Sender(settings, batch_bytes=min(limits.values())), limits[Topic.REQUESTS])


@dataclass(kw_only=True, slots=True)
class Sending:
    """`published` counts the requests that were sent."""

    pool: asyncpg.Pool
    topic: OpenTopic
    published: int = 0

    async def send(self, page: Page) -> None:
        """Send what of the page is not decided yet. Raises OutageError and SetupError."""
        keys = list(page.requests)
        decided = await patiently(lambda: decided_requests(self.pool, keys))
        messages = [planned.request.message for key, planned in page.requests.items() if key not in decided]
        await asyncio.to_thread(self._send, messages)

    async def finish(self) -> None:
        """Wait until all have arrived. Raises OutageError and SetupError."""
        await asyncio.to_thread(self.topic.sender.finish)

    def _send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if batch_bytes(message) > self.topic.most_bytes:
                raise UnenrollError(f"a request of customer {message.key!r} does not fit the topic {message.topic}")
            self.topic.sender.send(message)
            self.published += 1
