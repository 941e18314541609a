"""Plays one workload in many orders of arrival through real workers, each with its own topics and tables."""

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path

from support.arrivals import Arrival, arrival
from support.consumer import ReceivedEvents, receive
from support.databases import cloned_database
from support.deployment import Deployment, deploy
from support.final_state import differences, rows
from support.topics import produce
from support.workers import RunningCommand, running_command, wait_until
from support.workload import Workload
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
    differences: list[str]


@dataclass(frozen=True, kw_only=True)
class ConvergenceServers:
    """The servers on which orders of arrival play, a few at a time, each apart from the others."""

    servers: ServerAddresses
    template: str
    prefix: str

    async def play(self, workload: Workload, numbers: range) -> list[Outcome]:
        """Play these orders and return their outcomes. After a bad one it starts no other."""
        turns = asyncio.Semaphore(_AT_A_TIME)
        ended: list[Outcome] = []

        async def one(number: int) -> None:
            async with turns:
                if not any(outcome.differences for outcome in ended):
                    ended.append(await self._one(workload, arrival(workload, number)))

        await asyncio.gather(*map(one, numbers))
        return ended

    async def _one(self, workload: Workload, coming: Arrival) -> Outcome:
        async with cloned_database(self.servers, self.template) as url:
            prefix = f"{self.prefix}{workload.seed}.{coming.number}."
            deployment = Deployment(kafka=self.servers.kafka, database_url=url, prefix=prefix, folder=Path())
            await deploy(deployment, *(workload.defined(group, 1) for group in workload.groups))
            try:
                received = await asyncio.to_thread(_played, deployment, coming)
            except AssertionError as stuck:
                return Outcome(arrival=coming, received=receive([]), differences=[str(stuck)[-_MOST_CHARACTERS:]])
            wrong = differences(workload, await rows(url), received, keyed=coming.way.keyed)
            return Outcome(arrival=coming, received=received, differences=list(wrong))


def report(workload: Workload, outcomes: list[Outcome]) -> str:
    """What is wrong and how to reproduce it, empty if nothing is."""
    lines = [
        f"order {outcome.arrival.number}, {outcome.arrival.way.value}: {complaint}"
        for outcome in outcomes
        for complaint in outcome.differences
    ]
    if not lines:
        return ""
    more = [f"and {len(lines) - _MOST_COMPLAINTS} more"] if len(lines) > _MOST_COMPLAINTS else []
    again = f"reproduce it with UNENROLL_TEST_SEED={workload.seed}, {len(workload.histories)} accounts"
    return "\n".join([again, *lines[:_MOST_COMPLAINTS], *more])


def _played(deployment: Deployment, coming: Arrival) -> ReceivedEvents:
    environment = {
        **deployment.environment,
        "UNENROLL_BATCH_RECORDS": str(coming.batch_records),
    }
    with (
        running_command("run", environment=environment) as one,
        running_command("run", environment=environment) as other,
    ):
        for part, versions in zip(coming.parts, coming.versions, strict=True):
            for topic, records in part.items():
                produce(deployment.kafka, deployment.prefix + topic, records)
            _wait_until_decided(deployment, versions, one, other)
        for worker in (one, other):
            worker.send_signal(signal.SIGTERM)
        for worker in (one, other):
            assert worker.wait() == 0, worker.output()
    return receive(deployment.consume())


def _wait_until_decided(deployment: Deployment, versions: int, *workers: RunningCommand) -> None:
    """Wait until the workers have decided all published records and settled the accounts that definitions concern."""

    def show() -> str:
        return "\n".join(worker.output() for worker in workers)

    def grown() -> bool:
        assert all(not worker.ended for worker in workers), show()
        (found,) = asyncio.run(deployment.rows(_GROWN))
        return found == {"versions": versions, "due": 0}

    wait_until(grown, f"versions {versions}", seconds=_SECONDS, show=show)
    deployment.wait_for_lanes(seconds=_SECONDS, show=show)
