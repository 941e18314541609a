"""What the lanes decide of a plan's requests, waited for as long as they decide any."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from time import monotonic

import asyncpg

from unenroll.apply.pages import Page
from unenroll.apply.verdicts import Verdict, judge
from unenroll.load.patience import patiently
from unenroll.ndjson.progress import Read
from unenroll.store.ledger import EventKey
from unenroll.store.plans import DecidedRequest, decided_requests, published_with
from unenroll.wire.planned import Foretold, Planned, caused, foretold

_LOOK_SECONDS = 0.2

Decided = Mapping[EventKey, DecidedRequest]


@dataclass(kw_only=True, slots=True)
class Waiting:
    """`patience`: for how many seconds at most nothing may be decided. Once it is lost, nothing is waited for.

    `done` is called now and then, so that whoever looks on sees that something is waited for.
    """

    pool: asyncpg.Pool
    patience: float
    done: Read

    async def verdicts(self, page: Page) -> list[Verdict]:
        """What became of each request of the page, in order. Raises OutageError."""
        decided = await self._decided(list(page.requests))
        published = await patiently(lambda: self._published(page.requests, decided))
        return [judge(planned, decided.get(key), published[key]) for key, planned in page.requests.items()]

    async def _decided(self, keys: list[EventKey]) -> Decided:
        found: Decided = {}
        deadline = monotonic() + self.patience
        while True:
            now = await patiently(lambda: decided_requests(self.pool, keys))
            if len(now) == len(keys):
                return now
            if len(now) > len(found):
                found, deadline = now, monotonic() + self.patience
            if monotonic() >= deadline:
                self.patience = 0
                return now
            self.done(0)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _published(
        self, requests: Mapping[EventKey, Planned], decided: Decided
    ) -> Mapping[EventKey, list[Foretold]]:
        """What was published for each of the requests."""
        of_customer = _by_customer(decided)
        published: defaultdict[EventKey, list[Foretold]] = defaultdict(list)
        async for message in published_with(self.pool, decided.values()):
            for key in of_customer.get(message.key or b"", ()):
                if caused(message, requests[key].request.received.event):
                    published[key].append(foretold(message))
        return published


def _by_customer(keys: Collection[EventKey]) -> Mapping[bytes, list[EventKey]]:
    of_customer: defaultdict[bytes, list[EventKey]] = defaultdict(list)
    for key in keys:
        of_customer[b"%d" % key.customer_id].append(key)
    return of_customer
