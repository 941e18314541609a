"""Lanes that move while a crowd is told of and workers decide; in the end all is judged as one history."""

import asyncio
import signal
from collections.abc import Callable

from checker.collect import collected, watched
from checker.sampling import Sampler
from checker.verdict import violations
from havoc.traffic import Traffic
from stage.arrivals import arrival
from stage.beside import beside
from stage.cells import working
from stage.crowd import crowd
from stage.endings import Rows, rows
from stage.hearing import heard
from stage.judging import complaints
from stage.place import Place, made
from stage.producing import Stream
from stage.workers import Running, run

_SHUFFLED = 2


async def judged(here: Place, there: Place, move: Callable[[], None], *, accounts: int, seed: int) -> list[str]:
    """What is wrong after a move under load from here to there; none if all is well."""
    many = crowd(seed, accounts)
    await made(here, *many.groups)
    run("cells", "claim", environment=there.environment)
    stream = Stream(kafka=here.kafka, prefix=here.prefix)
    traffic = Traffic(crowd=many, coming=arrival(many, _SHUFFLED), stream=stream, seconds=6.0)
    sampler = Sampler(watched=watched(here))
    with beside(sampler.run), working(here, there) as workers:
        telling = asyncio.create_task(asyncio.to_thread(traffic.run))
        try:
            await asyncio.to_thread(_decides, workers[0], 4)
            await asyncio.to_thread(move)
            before = workers[1].output().count('"batch_published"')
            await asyncio.to_thread(_decides, workers[1], before)
        finally:
            traffic.stop()
            await telling
        await asyncio.to_thread(here.wait_for_lanes, seconds=60, show=workers[1].output)
        for worker in workers:
            worker.tell(signal.SIGTERM)
            assert worker.wait() == 0, worker.output()[-3000:]
    history = await collected(here, sent=stream.sent, samples=sampler.samples, cells=[there])
    wrong = [f"{name}: {one}" for name, sentences in violations(history).items() for one in sentences]
    told = heard(history.visible)
    told.dead.clear()
    both = _both(await rows(here.database_url), await rows(there.database_url))
    wrong += complaints(traffic.told(), both, told, keyed=True)
    return [*wrong, *[f"{len(both['accounts'])} accounts"] * (len(await there.rows("select 1 from accounts")) == 0)]


def _decides(worker: Running, before: int) -> None:
    worker.wait_to_say('"batch_published"', times=before + 4)


def _both(one: Rows, other: Rows) -> Rows:
    return {table: found if table == "definition_refusals" else [*found, *other[table]] for table, found in one.items()}
