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
from checker.sampling import NO_TELLING
from checker.verdict import violations
from stage.arrivals import all_records, arrival
from stage.crowd import Crowd, crowd
from stage.place import Place, made
from stage.topics import Put, Spot, put
from stage.workers import Running, run, running
from unenroll.sandbox.servers import Servers

_LANES = 4
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
            spots = put(self.place.kafka, self.place.prefix + word, records)
            self.sent.extend(_sent(record, spot) for record, spot in zip(records, spots, strict=True))

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
            worker.wait_to_say('"lane open"', times=_LANES)
            yield worker

    def goes_on(self, worker: Running) -> None:
        """The worker does the rest by itself, and stops when it is asked to."""
        self.tell(LATE)
        self.place.wait_for_lanes(seconds=_SECONDS, show=worker.output)
        worker.tell(SIGTERM)
        assert worker.wait() == 0

    def nothing_is_open(self) -> bool:
        """Whether no transaction holds up the readers of any output."""
        return all(end.stable == end.high for end in watched(self.place).ends().values())

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


async def scene(servers: Servers, database_url: str, folder: Path) -> Scene:
    """Topics and tables of its own in this database, where the crowd's groups are defined."""
    prefix = f"{database_url[-8:]}."
    place = Place(kafka=servers.kafka, database_url=database_url, prefix=prefix, folder=folder)
    await made(place, *_CROWD.groups)
    return Scene(place=place)


def _sent(record: Put, spot: Spot) -> Sent:
    return Sent(topic=spot[0], record=record, spot=spot)
