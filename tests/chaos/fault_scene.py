"""The scene of a fault's case: a workload's events, a worker, and the verdict on the history they leave."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGTERM

from checker.bad_records import bad_records
from checker.collect import collected, watched
from checker.history import Sample, Sent
from checker.sampling import UNAVAILABLE, ask_until_answered
from checker.verdict import violations
from support.arrivals import all_records, arrival
from support.deployment import Deployment, deploy
from support.topics import NewRecord, produce
from support.workers import RunningCommand, run_command, running_command
from support.workload import Workload, workload
from unenroll.sandbox.servers import ServerAddresses

LANES = 4
_SECONDS = 60.0

_CROWD = workload(6, 30)
_HALF = len(_CROWD.histories) // 2
EARLY = replace(_CROWD, histories=_CROWD.histories[:_HALF])
LATE = replace(_CROWD, histories=_CROWD.histories[_HALF:], refused=())


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The topics and tables of one case, and what it has published and sampled."""

    deployment: Deployment
    sent: list[Sent] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Settings with small batches, so that a fault hits the first of several."""
        few = {"UNENROLL_BATCH_RECORDS": "25"}
        return {**self.deployment.environment, **few}

    def publish(self, some: Workload) -> None:
        """Publish the events of these accounts, and bad records."""
        records_by_topic = all_records(arrival(some, 2))
        for word, records in (*records_by_topic.items(), ("facts", bad_records(some))):
            self.produce(word, records)

    def produce(self, word: str, records: list[NewRecord]) -> None:
        """Publish records to one of the topics."""
        spots = produce(self.deployment.kafka, self.deployment.prefix + word, records)
        self.sent.extend(
            Sent(topic=spot[0], record=record, spot=spot) for record, spot in zip(records, spots, strict=True)
        )

    def sample(self) -> None:
        """Sample what is committed and visible now, if Kafka answers."""
        with suppress(*UNAVAILABLE):
            self.samples.append(watched(self.deployment).sample())

    def catch_up(self) -> None:
        """Run a worker without faults until it has caught up."""
        run_command("run", "--until-caught-up", environment=self.environment)

    @contextmanager
    def worker(self) -> Iterator[RunningCommand]:
        """Run a worker without faults. It has its lanes when the block begins."""
        with running_command("run", environment=self.environment) as worker:
            worker.wait_for_log('"lane_opened"', times=LANES)
            yield worker

    def check_goes_on(self, worker: RunningCommand) -> None:
        """Check that the worker processes the rest, and stops when asked to."""
        self.publish(LATE)
        self.wait_for_lanes(worker)
        worker.send_signal(SIGTERM)
        code = worker.wait()
        assert code == 0, f"exit code {code}\n{worker.output()}"

    def wait_for_lanes(self, worker: RunningCommand) -> None:
        """Wait until the worker has processed all records."""
        self.deployment.wait_for_lanes(seconds=_SECONDS, show=worker.output)

    def nothing_is_open(self) -> bool:
        """Whether no output topic has an open transaction."""
        ends = ask_until_answered(watched(self.deployment).ends)
        return all(end.stable == end.high for end in ends.values())

    def execute(self, statement: str) -> None:
        """Run a statement that the product would not run."""
        asyncio.run(self.deployment.execute(statement))

    def value(self, query: str) -> int:
        """The number that the query returns."""
        ((number,),) = (row.values() for row in asyncio.run(self.deployment.rows(query)))
        return int(number)

    async def verdict(self) -> dict[str, list[str]]:
        """The violations in the final history, by invariant."""
        history = await collected(self.deployment, sent=self.sent, samples=self.samples)
        assert history.visible
        return violations(history)


def place_of(servers: ServerAddresses, database_url: str, folder: Path) -> Deployment:
    """The place of a scene in this database."""
    return Deployment(kafka=servers.kafka, database_url=database_url, prefix=f"{database_url[-8:]}.", folder=folder)


async def scene(deployment: Deployment) -> Scene:
    """Create the topics and define the workload's groups."""
    await deploy(deployment, *_CROWD.groups)
    return Scene(deployment=deployment)
