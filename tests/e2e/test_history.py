"""A real campaign in small: workers are killed between and in their commits, and the checker has nothing to say."""

import signal
from collections.abc import Mapping

import pytest

from checker.bad_records import bad_records
from checker.collect import collected, watched
from checker.loaded import first_versions, lines_to_load, loaded_facts, outgrown
from checker.report import told
from checker.sampling import Sampler
from support.arrivals import arrival
from support.crowd import Crowd, crowd
from support.place import Place, made
from support.producer import Stream
from support.topics import Put, put
from support.workers import beside, doomed
from unenroll.kafka.topics import INPUTS


@pytest.fixture
def many() -> Crowd:
    return crowd(6, 60)


async def test_a_history_of_killed_workers_is_sound(place: Place, many: Crowd) -> None:
    await made(place, *first_versions(many))
    place.load(lines_to_load(many))
    sampler, stream = Sampler(watched=watched(place)), Stream(kafka=place.kafka, prefix=place.prefix)
    with beside(sampler.run):
        logs = killed_and_started_again(place, many, stream)
    history = await collected(
        place,
        sent=stream.sent,
        samples=sampler.samples,
        outgrown=outgrown(many),
        loaded=loaded_facts(many),
    )
    wrong = told(history, *logs)
    assert not wrong, wrong
    present, visible = len(history.present), len(history.visible)
    assert present > visible > 100, "\n".join(logs)
    assert any(row.event_type == "SettlementDue" for row in history.ledger)
    assert len({tuple(sample.committed.items()) for sample in history.samples}) > 1


def killed_and_started_again(place: Place, many: Crowd, stream: Stream) -> list[str]:
    """What the workers said. All that comes while the groups are small is decided by then."""
    environment = {**place.environment, "UNENROLL_BATCH_RECORDS": "20"}
    while_small, *later = arrival(many, 2).parts
    publish(place, stream, while_small)
    logs = [place.catch_up()]
    for phase, part in zip(("decided", "offsets sent"), later, strict=True):
        publish(place, stream, part)
        with doomed(phase, "run", environment=environment) as worker:
            assert worker.wait() == -signal.SIGKILL, worker.output()
            logs.append(worker.output())
    stream.put("facts", bad_records(many))
    return [*logs, place.catch_up()]


def publish(place: Place, stream: Stream, part: Mapping[str, list[Put]]) -> None:
    put(place.kafka, f"{place.prefix}definitions", part["definitions"])
    for word in INPUTS:
        stream.put(word, part[word])
