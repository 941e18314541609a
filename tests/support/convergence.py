"""One crowd in many orders of arrival, each with topics and tables of its own, through real workers."""

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path

from support.arrivals import Arrival, arrival
from support.consumer import Heard, heard
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
_GROWN = "select sum(version)::int as versions, (select count(*) from settlements_due) as due from target_groups"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one order of arrival ended: what was published, and what is wrong with it."""

    arrival: Arrival
    told: Heard
    complaints: list[str]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where orders of arrival are played: beside one another, never in one another's way."""

    servers: ServerAddresses
    template: str
    prefix: str

    async def play(self, crowd: Crowd, numbers: range) -> list[Outcome]:
        """The outcomes of these orders, a few at a time. After a bad one no other is begun."""
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
                told = await asyncio.to_thread(_played, place, coming)
            except AssertionError as stuck:
                return Outcome(arrival=coming, told=heard([]), complaints=[str(stuck)[-_MOST_CHARACTERS:]])
            wrong = complaints(crowd, await rows(url), told, keyed=coming.way.keyed)
            return Outcome(arrival=coming, told=told, complaints=list(wrong))


def report(crowd: Crowd, outcomes: list[Outcome]) -> str:
    """What is wrong, if anything, and how to see it again."""
    lines = [
        f"order {outcome.arrival.number}, {outcome.arrival.way.value}: {complaint}"
        for outcome in outcomes
        for complaint in outcome.complaints
    ]
    if not lines:
        return ""
    more = [f"and {len(lines) - _MOST_COMPLAINTS} more"] if len(lines) > _MOST_COMPLAINTS else []
    again = f"see it again with UNENROLL_TEST_SEED={crowd.seed}, {len(crowd.lives)} accounts"
    return "\n".join([again, *lines[:_MOST_COMPLAINTS], *more])


def _played(place: Place, coming: Arrival) -> Heard:
    environment = {
        **place.environment,
        "UNENROLL_BATCH_RECORDS": str(coming.batch_records),
        "UNENROLL_DEFINITION_WAIT_MS": "60000",  # whoever names a new cycle waits until it is defined
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
    return heard(place.seen())


def _wait_until_decided(place: Place, versions: int, *workers: Running) -> None:
    """Until all that was published is decided: the definitions, whom they concern, and what came beside them."""

    def show() -> str:
        return "\n".join(worker.output() for worker in workers)

    def grown() -> bool:
        assert all(not worker.ended for worker in workers), show()
        (found,) = asyncio.run(place.rows(_GROWN))
        return found == {"versions": versions, "due": 0}

    wait_until(grown, f"versions {versions}", seconds=_SECONDS, show=show)
    place.wait_for_lanes(seconds=_SECONDS, show=show)
