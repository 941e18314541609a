"""The real worker watched: its metrics count what it does, its health says why it does nothing, and nobody hangs."""

import json
import socket

import pytest

from support.deployment import Deployment, first_answers
from support.events import leave_record, three_rewards
from support.served_pages import SERVE_STATUS, StatusPages
from support.topics import NewRecord
from support.workers import RunningCommand, command_with_fault, run_command, running_command, wait_until

TWICE = range(701, 706)
MISSING = 790


def wait_for_answers(deployment: Deployment, worker: RunningCommand, *, count: int) -> None:
    wait_until(lambda: len(first_answers(deployment.consume())) == count, f"{count} answers", show=worker.output)


def test_metrics_count_each_record_once_by_what_became_of_it(deployment: Deployment) -> None:
    deployment.load(line for customer in TWICE for line in three_rewards(customer))
    with running_command("run", environment={**deployment.environment, **SERVE_STATUS}) as worker:
        shown = StatusPages(command=worker)
        wait_until(lambda: shown.get("/readyz")[0] == 200, "a worker that is ready", show=worker.output)
        deployment.request([leave_record(customer) for customer in (*TWICE, MISSING)])
        wait_for_answers(deployment, worker, count=6)
        deployment.request([leave_record(TWICE[0]), NewRecord(key=b"x", value=b"no JSON", headers=[])])
        wait_until(lambda: shown.metrics().get("unenroll_dead_letters_total not_json") == 1, "the dead letter")
        wait_until(lambda: duplicates(shown) == 1, "the duplicate", show=worker.output)
        found = shown.metrics()
        ready, health = shown.json("/readyz"), shown.json("/healthz")
    counted = {name: value for name, value in found.items() if name.startswith("unenroll_records_total")}
    assert counted == {
        "unenroll_records_total unenrolled UNENROLLED requests": 5,
        "unenroll_records_total refused NOT_ENROLLED requests": 1,
        "unenroll_records_total duplicate  requests": 1,
        "unenroll_records_total dead_lettered not_json requests": 1,
    }
    visible = [record.topic.removeprefix(deployment.prefix) for record in deployment.consume()]
    published = {word: found[f"unenroll_messages_published_total {word}"] for word in set(visible)}
    assert published == {word: visible.count(word) for word in set(visible)}
    assert found["unenroll_age_seconds_count append"] == 7
    assert found["unenroll_age_seconds_count event"] == 6
    assert found["unenroll_age_seconds_sum append"] < 60 * 7
    assert found["unenroll_batch_records_sum"] == 8
    steps = {found[f"unenroll_batch_step_seconds_count {step}"] for step in ("decode", "gather", "settle", "save")}
    assert steps == {found["unenroll_batches_total"]} == {found["unenroll_batch_step_seconds_count publish"]}
    assert (found["unenroll_lanes_open"], found["unenroll_lanes_assigned"]) == (4, 4)
    assert (ready[0], ready[1]["missing"], health[0]) == (200, [], 200)


def duplicates(shown: StatusPages) -> float | None:
    return shown.metrics().get("unenroll_records_total duplicate  requests")


@pytest.mark.parametrize("fault", ["held up", "blocked"])
def test_a_worker_that_hangs_is_ended_and_says_where(deployment: Deployment, fault: str) -> None:
    deployment.load(three_rewards(TWICE[0]))
    environment = {**deployment.environment, "UNENROLL_PROGRESS_TIMEOUT_MS": "5000"}
    deployment.request([leave_record(TWICE[0])])
    with command_with_fault(fault, "fetched", "run", environment=environment) as worker:
        assert worker.wait() == 1, worker.output()
        result = worker.output().splitlines()
    (line,) = (json.loads(line) for line in result if '"progress_stalled"' in line)
    assert line["level"] == "critical"
    # A lane that does not get on while the event loop is blocked may be noticed first.
    assert [who for who in line["seconds"] if who.startswith(("lane", "the event loop")[: 1 + (fault == "blocked")])]
    who = "task 'lane " if fault == "held up" else "thread 'MainThread'"
    (where,) = [line for line in result if line.startswith(who) and "support/worker_faults.py" in line]
    assert "worker/lane.py" in where
    assert any(line.startswith("thread 'watchdog'") for line in result)


def test_an_address_that_somebody_else_has_is_refused_and_says_so(deployment: Deployment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        result = run_command("run", environment={**deployment.environment, "UNENROLL_HTTP_ADDRESS": address}, code=1)
    assert f"cannot serve metrics and health at {address}" in result
    assert "UNENROLL_HTTP_ADDRESS" in result
