"""A server that goes away while the worker runs: it waits, says so once, and goes on when the server is back."""

import json
from datetime import UTC, datetime, timedelta

from support.deployment import Deployment, first_answers
from support.events import ABC, definition, leave_record, three_rewards
from support.served_pages import SERVE_STATUS, StatusPages
from support.workers import RunningCommand, running_command, wait_until
from unenroll.sandbox.process import launch
from unenroll.sandbox.servers import ServerPair
from waiting import until

NEW = 77
DEF = {**ABC, "targets": [{"targetId": 22, "name": "DEF", "kind": "MILESTONE"}]}
FIRST, LATER = range(601, 611), range(611, 621)
WATCHED = {**SERVE_STATUS, "UNENROLL_PROGRESS_TIMEOUT_MS": "6000"}
LONGER = timedelta(seconds=8)


def told_of(group: int) -> str:
    """A line that defines this group, without targets."""
    line = json.loads(definition({**DEF, "targetGroupId": group}))
    return json.dumps({**line, "source": "/campaigns", "time": "2026-01-01T00:00:00Z"})


async def until_defined(deployment: Deployment, group: int) -> None:
    async def defined() -> bool:
        return bool(await deployment.rows(f"select from target_groups where group_id = {group}"))

    await until(defined)


def wait_for_answers(deployment: Deployment, worker: RunningCommand, *, count: int) -> None:
    wait_until(lambda: len(first_answers(deployment.consume())) == count, f"{count} answers", show=worker.output)


def waits(result: str) -> tuple[int, int]:
    """How often a worker said that it waits, and that it goes on."""
    return result.count('"server_unavailable"'), result.count('"server_available"')


def outlast_the_watchdog(worker: RunningCommand) -> None:
    """Wait until the outage is much older than progress may be, and somebody was told of it."""
    shown = StatusPages(command=worker)

    def old() -> bool:
        status, told = shown.json("/healthz")
        assert status == 200, told
        ages = [
            datetime.now(UTC) - datetime.fromisoformat(why.rpartition(" ")[2])
            for why in told["why"]
            if " since " in why
        ]
        return max(ages, default=timedelta()) > LONGER

    wait_until(old, "the outage to last", show=worker.output)
    assert shown.get("/readyz")[0] == 503


def behind(worker: RunningCommand) -> float:
    """How many records wait, if somebody says that one of them has waited for long."""
    found = StatusPages(command=worker).metrics()
    waits = [value for name, value in found.items() if name.startswith("unenroll_lane_oldest_unprocessed_seconds")]
    lags = [value for name, value in found.items() if name.startswith("unenroll_lane_lag_records")]
    return sum(lags) if max(waits) > LONGER.total_seconds() / 2 else -1


async def test_postgres_goes_away_and_comes_back(pair: ServerPair, own_deployment: Deployment) -> None:
    own_deployment.load(line for customer in (*FIRST, *LATER) for line in three_rewards(customer))
    with running_command("run", environment={**own_deployment.environment, **WATCHED}) as worker:
        own_deployment.request(leave_record(customer) for customer in FIRST)
        wait_for_answers(own_deployment, worker, count=10)
        before = len(worker.output())
        await pair.postgres.stop()
        own_deployment.request(leave_record(customer) for customer in LATER)
        own_deployment.publish([told_of(NEW)])
        worker.wait_for_log('"server_unavailable"')
        outlast_the_watchdog(worker)
        wait_until(lambda: behind(worker) == len(LATER), "the lag", show=worker.output)
        assert waits(worker.output()[before:]) == (1, 0)
        back = await launch(pair.postgres.program)
        wait_for_answers(own_deployment, worker, count=20)
        await until_defined(own_deployment, NEW)
        worker.wait_for_log('"server_available"')
    await back.stop()


async def test_kafka_goes_away_and_comes_back(pair: ServerPair, own_deployment: Deployment) -> None:
    own_deployment.load(line for customer in (*FIRST, *LATER) for line in three_rewards(customer))
    with running_command("run", environment={**own_deployment.environment, **WATCHED}) as worker:
        own_deployment.request(leave_record(customer) for customer in FIRST)
        wait_for_answers(own_deployment, worker, count=10)
        before = len(worker.output())
        await pair.kafka.stop()
        worker.wait_for_log('"server_unavailable"')
        outlast_the_watchdog(worker)
        assert waits(worker.output()[before:]) == (1, 0)
        back = await launch(pair.kafka.program)
        own_deployment.request(leave_record(customer) for customer in LATER)
        own_deployment.publish([told_of(NEW)])
        wait_for_answers(own_deployment, worker, count=20)
        await until_defined(own_deployment, NEW)
        worker.wait_for_log('"server_available"')
        found = own_deployment.consume()
    await back.stop()
    assert all(len(kinds) == 1 for kinds in first_answers(found).values())
