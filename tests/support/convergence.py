"""Plays one crowd in many orders of arrival through real workers, each with its own topics and tables."""

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path

from support.arrivals import Arrival, arrival
from support.consumer import ReceivedEvents, receive
from support.crowd import Crowd
from support.databases import cloned
from support.final_state import complaints, rows
from support.place import Place, made
from support.topics import put
from support.workers import Running, running, wait_until
from unenroll.sandbox.servers import ServerAddresses

_AT_A_TIME = 2
_MOST_COMPLAINTS = 20
_MOST_CHARACTERS = 2_000  # of a complaint: a worker that is stuck has a long log
_SECONDS = 300.0
_GROWN = "select sum(version)::int as versions, (select count(*) from resettlements) as due from target_groups"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one order of arrival: the published events, and what is wrong."""

    arrival: Arrival
    received: ReceivedEvents
    complaints: list[str]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The servers on which orders of arrival play, a few at a time, each apart from the others."""

    servers: ServerAddresses
    template: str
    prefix: str

    async def play(self, crowd: Crowd, numbers: range) -> list[Outcome]:
        """Play these orders and return their outcomes. After a bad one it starts no other."""
        turns = asyncio.Semaphore(_AT_A_TIME)
        ended: list[Outcome] = []

        async def one(number: int) -> None:
            async with turns:
                if not any(outcome.complaints for outcome in ended):
                    ended.append(await self._one(crowd, arrival(crowd, number)))

        await asyncio.gather(*map(one, numbers))
        return ended

    async def _one(self, crowd: Crowd, coming: Arrival) -> Outcome:
        async with cloned(self.servers, self.template) as url:
            prefix = f"{self.prefix}{crowd.seed}.{coming.number}."
            place = Place(kafka=self.servers.kafka, database_url=url, prefix=prefix, folder=Path())
            await made(place, *(crowd.defined(group, 1) for group in crowd.groups))
            try:
                received = await asyncio.to_thread(_played, place, coming)
            except AssertionError as stuck:
                return Outcome(arrival=coming, received=receive([]), complaints=[str(stuck)[-_MOST_CHARACTERS:]])
            wrong = complaints(crowd, await rows(url), received, keyed=coming.way.keyed)
            return Outcome(arrival=coming, received=received, complaints=list(wrong))


def report(crowd: Crowd, outcomes: list[Outcome]) -> str:
    """What is wrong and how to reproduce it, empty if nothing is."""
    lines = [
        f"order {outcome.arrival.number}, {outcome.arrival.way.value}: {complaint}"
        for outcome in outcomes
        for complaint in outcome.complaints
    ]
    if not lines:
        return ""
    more = [f"and {len(lines) - _MOST_COMPLAINTS} more"] if len(lines) > _MOST_COMPLAINTS else []
    again = f"reproduce it with UNENROLL_TEST_SEED={crowd.seed}, {len(crowd.lives)} accounts"
    return "\n".join([again, *lines[:_MOST_COMPLAINTS], *more])


def _played(place: Place, coming: Arrival) -> ReceivedEvents:
    environment = {
        **place.environment,
        "UNENROLL_BATCH_RECORDS": str(coming.batch_records),
    }
    with running("run", environment=environment) as one, running("run", environment=environment) as other:
        for part, versions in zip(coming.parts, coming.versions, strict=True):
            for topic, records in part.items():
                put(place.kafka, place.prefix + topic, records)
            _wait_until_decided(place, versions, one, other)
        for worker in (one, other):
            worker.tell(signal.SIGTERM)
        for worker in (one, other):
            assert worker.wait() == 0, worker.output()
    return receive(place.seen())


def _wait_until_decided(place: Place, versions: int, *workers: Running) -> None:
    """Wait until the workers have decided all published records and settled the accounts that definitions concern."""

    def show() -> str:
        return "\n".join(worker.output() for worker in workers)

    def grown() -> bool:
        assert all(not worker.ended for worker in workers), show()
        (found,) = asyncio.run(place.rows(_GROWN))
        return found == {"versions": versions, "due": 0}

    wait_until(grown, f"versions {versions}", seconds=_SECONDS, show=show)
    place.wait_for_lanes(seconds=_SECONDS, show=show)
