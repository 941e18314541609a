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
from support.deployment import Deployment, deploy
from support.producer import Stream
from support.topics import NewRecord, produce
from support.workers import command_that_kills_itself, in_background
from support.workload import Workload, workload
from unenroll.kafka.topics import INPUTS


@pytest.fixture
def many() -> Workload:
    return workload(6, 60)


async def test_a_history_of_killed_workers_is_sound(deployment: Deployment, many: Workload) -> None:
    await deploy(deployment, *first_versions(many))
    deployment.load(lines_to_load(many))
    sampler, stream = Sampler(watched=watched(deployment)), Stream(kafka=deployment.kafka, prefix=deployment.prefix)
    with in_background(sampler.run):
        logs = killed_and_started_again(deployment, many, stream)
    history = await collected(
        deployment,
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


def killed_and_started_again(deployment: Deployment, many: Workload, stream: Stream) -> list[str]:
    """What the workers said. All that comes while the groups are small is decided by then."""
    environment = {**deployment.environment, "UNENROLL_BATCH_RECORDS": "20"}
    while_small, *later = arrival(many, 2).parts
    publish(deployment, stream, while_small)
    logs = [deployment.catch_up()]
    for phase, part in zip(("decided", "offsets sent"), later, strict=True):
        publish(deployment, stream, part)
        with command_that_kills_itself(phase, "run", environment=environment) as worker:
            assert worker.wait() == -signal.SIGKILL, worker.output()
            logs.append(worker.output())
    stream.put("facts", bad_records(many))
    return [*logs, deployment.catch_up()]


def publish(deployment: Deployment, stream: Stream, part: Mapping[str, list[NewRecord]]) -> None:
    produce(deployment.kafka, f"{deployment.prefix}definitions", part["definitions"])
    for word in INPUTS:
        stream.put(word, part[word])
