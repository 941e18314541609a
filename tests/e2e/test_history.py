"""A real campaign in small: workers are killed between and in their commits, and the checker has nothing to say."""

import signal

import pytest

from checker.bad_records import bad_records
from checker.collect import collected, watched
from checker.history import Sent
from checker.sampling import Sampler
from checker.verdict import violations
from stage.arrivals import all_records, arrival
from stage.crowd import Crowd, crowd
from stage.place import Place, made
from stage.producing import Stream
from stage.workers import doomed


@pytest.fixture
def many() -> Crowd:
    return crowd(6, 60)


async def test_a_history_of_killed_workers_is_sound(place: Place, many: Crowd) -> None:
    await made(place, *many.groups)
    sampler = Sampler(watched=watched(place))
    environment = {**place.environment, "UNENROLL_BATCH_RECORDS": "20", "UNENROLL_DEFINITION_WAIT_MS": "100"}
    with sampler.running():
        sent = told(place, many)
        for phase in ("decided", "offsets sent"):
            with doomed(phase, "run", environment=environment) as worker:
                assert worker.wait() == -signal.SIGKILL
        place.catch_up()
    history = await collected(place, sent=sent, samples=sampler.samples)
    assert violations(history) == {}
    assert len(history.present) > len(history.visible) > 100
    assert len({sample.committed.get((f"{place.prefix}facts", 1)) for sample in history.samples}) > 2


def told(place: Place, many: Crowd) -> list[Sent]:
    stream = Stream(kafka=place.kafka, prefix=place.prefix)
    for word, records in all_records(arrival(many, 2)).items():
        stream.put(word, records)
    stream.put("facts", bad_records(many))
    return stream.sent
