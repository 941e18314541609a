"""The scene of a fault's case: a crowd's events, a worker, and the verdict on the history they leave."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGTERM

from checker.bad_records import bad_records
from checker.collect import collected, watched
from checker.history import Sample, Sent
from checker.sampling import NO_TELLING, told_at_last
from checker.verdict import violations
from support.arrivals import all_records, arrival
from support.crowd import Crowd, crowd
from support.place import Place, made
from support.topics import Put, put
from support.workers import Running, run, running
from unenroll.sandbox.servers import ServerAddresses

LANES = 4
_SECONDS = 60.0

_CROWD = crowd(6, 30)
_HALF = len(_CROWD.lives) // 2
EARLY = replace(_CROWD, lives=_CROWD.lives[:_HALF])
LATE = replace(_CROWD, lives=_CROWD.lives[_HALF:], refused=())


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The topics and tables of one case, and what it has published and sampled."""

    place: Place
    sent: list[Sent] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Settings with small batches, so that a fault hits the first of several."""
        few = {"UNENROLL_BATCH_RECORDS": "25"}
        return {**self.place.environment, **few}

    def tell(self, some: Crowd) -> None:
        """Publish the events of these accounts, and bad records."""
        records_by_topic = all_records(arrival(some, 2))
        for word, records in (*records_by_topic.items(), ("facts", bad_records(some))):
            self.put(word, records)

    def put(self, word: str, records: list[Put]) -> None:
        """Publish records to one of the topics."""
        spots = put(self.place.kafka, self.place.prefix + word, records)
        self.sent.extend(
            Sent(topic=spot[0], record=record, spot=spot) for record, spot in zip(records, spots, strict=True)
        )

    def look(self) -> None:
        """Sample what is committed and visible now, if Kafka answers."""
        with suppress(*NO_TELLING):
            self.samples.append(watched(self.place).sample())

    def catch_up(self) -> None:
        """Run a worker without faults until it has caught up."""
        run("run", "--until-caught-up", environment=self.environment)

    @contextmanager
    def worker(self) -> Iterator[Running]:
        """Run a worker without faults. It has its lanes when the block begins."""
        with running("run", environment=self.environment) as worker:
            worker.wait_to_say('"lane_opened"', times=LANES)
            yield worker

    def goes_on(self, worker: Running) -> None:
        """Check that the worker processes the rest, and stops when asked to."""
        self.tell(LATE)
        self.wait_for_lanes(worker)
        worker.tell(SIGTERM)
        code = worker.wait()
        assert code == 0, f"exit code {code}\n{worker.output()}"

    def wait_for_lanes(self, worker: Running) -> None:
        """Wait until the worker has processed all records."""
        self.place.wait_for_lanes(seconds=_SECONDS, show=worker.output)

    def nothing_is_open(self) -> bool:
        """Whether no output topic has an open transaction."""
        ends = told_at_last(watched(self.place).ends)
        return all(end.stable == end.high for end in ends.values())

    def execute(self, statement: str) -> None:
        """Run a statement that the product would not run."""
        asyncio.run(self.place.execute(statement))

    def value(self, query: str) -> int:
        """The number that the query returns."""
        ((number,),) = (row.values() for row in asyncio.run(self.place.rows(query)))
        return int(number)

    async def verdict(self) -> dict[str, list[str]]:
        """The violations in the final history, by invariant."""
        history = await collected(self.place, sent=self.sent, samples=self.samples)
        assert history.visible
        return violations(history)


def place_of(servers: ServerAddresses, database_url: str, folder: Path) -> Place:
    """The place of a scene in this database."""
    return Place(kafka=servers.kafka, database_url=database_url, prefix=f"{database_url[-8:]}.", folder=folder)


async def scene(place: Place) -> Scene:
    """Create the topics and define the crowd's groups."""
    await made(place, *_CROWD.groups)
    return Scene(place=place)
