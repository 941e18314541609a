"""What every case of a fault begins with, and how it is judged: a crowd's events, and the history they left."""

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
    """A place of its own, where the case befalls a worker."""

    place: Place
    sent: list[Sent] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Small batches, so that a fault hits the first of several."""
        few = {"UNENROLL_BATCH_RECORDS": "25", "UNENROLL_DEFINITION_WAIT_MS": "100"}
        return {**self.place.environment, **few}

    def tell(self, some: Crowd) -> None:
        """Publish what is told of them, good and bad."""
        told = all_records(arrival(some, 2))
        for word, records in (*told.items(), ("facts", bad_records(some))):
            self.put(word, records)

    def put(self, word: str, records: list[Put]) -> None:
        """Publish records to one of the topics."""
        spots = put(self.place.kafka, self.place.prefix + word, records)
        self.sent.extend(
            Sent(topic=spot[0], record=record, spot=spot) for record, spot in zip(records, spots, strict=True)
        )

    def look(self) -> None:
        """Keep what is committed and visible now, if Kafka can tell."""
        with suppress(*NO_TELLING):
            self.samples.append(watched(self.place).sample())

    def catch_up(self) -> None:
        """Let a worker without faults do all that is in the topics now."""
        run("run", "--until-caught-up", environment=self.environment)

    @contextmanager
    def worker(self) -> Iterator[Running]:
        """A worker without faults of its own. It has its lanes."""
        with running("run", environment=self.environment) as worker:
            worker.wait_to_say('"lane_opened"', times=LANES)
            yield worker

    def goes_on(self, worker: Running) -> None:
        """The worker does the rest by itself, and stops when it is asked to."""
        self.tell(LATE)
        self.wait_for_lanes(worker)
        worker.tell(SIGTERM)
        code = worker.wait()
        assert code == 0, f"exit code {code}\n{worker.output()}"

    def wait_for_lanes(self, worker: Running) -> None:
        """Wait until all that was told is done."""
        self.place.wait_for_lanes(seconds=_SECONDS, show=worker.output)

    def nothing_is_open(self) -> bool:
        """Whether no transaction holds up the readers of any output."""
        ends = told_at_last(watched(self.place).ends)
        return all(end.stable == end.high for end in ends.values())

    def execute(self, statement: str) -> None:
        """Do something to the database that the product would not."""
        asyncio.run(self.place.execute(statement))

    def value(self, query: str) -> int:
        """What the database says in one number."""
        ((number,),) = (row.values() for row in asyncio.run(self.place.rows(query)))
        return int(number)

    async def verdict(self) -> dict[str, list[str]]:
        """What is wrong in the end, by invariant."""
        history = await collected(self.place, sent=self.sent, samples=self.samples)
        assert history.visible
        return violations(history)


def place_of(servers: ServerAddresses, database_url: str, folder: Path) -> Place:
    """Where topics and tables of a scene's own may be, in this database."""
    return Place(kafka=servers.kafka, database_url=database_url, prefix=f"{database_url[-8:]}.", folder=folder)


async def scene(place: Place) -> Scene:
    """Topics and tables are made, and the crowd's groups defined."""
    await made(place, *_CROWD.groups)
    return Scene(place=place)
