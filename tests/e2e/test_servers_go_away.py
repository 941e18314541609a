"""A server that goes away while the worker runs: it waits, says so once, and goes on when the server is back."""

import json
from datetime import UTC, datetime, timedelta

from support.events import ABC, definition, leaves, three_rewards
from support.http import SERVE_STATUS, StatusPages
from support.place import Place, answers
from support.workers import Running, running, wait_until
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


async def until_defined(place: Place, group: int) -> None:
    async def defined() -> bool:
        return bool(await place.rows(f"select from target_groups where group_id = {group}"))

    await until(defined)


def wait_for_answers(place: Place, worker: Running, *, count: int) -> None:
    wait_until(lambda: len(answers(place.seen())) == count, f"{count} answers", show=worker.output)


def waits(said: str) -> tuple[int, int]:
    """How often a worker said that it waits, and that it goes on."""
    return said.count('"server_unavailable"'), said.count('"server_available"')


def outlast_the_watchdog(worker: Running) -> None:
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


def behind(worker: Running) -> float:
    """How many records wait, if somebody says that one of them has waited for long."""
    found = StatusPages(command=worker).metrics()
    waits = [value for name, value in found.items() if name.startswith("unenroll_lane_oldest_unprocessed_seconds")]
    lags = [value for name, value in found.items() if name.startswith("unenroll_lane_lag_records")]
    return sum(lags) if max(waits) > LONGER.total_seconds() / 2 else -1


async def test_postgres_goes_away_and_comes_back(pair: ServerPair, own_place: Place) -> None:
    own_place.load(line for customer in (*FIRST, *LATER) for line in three_rewards(customer))
    with running("run", environment={**own_place.environment, **WATCHED}) as worker:
        own_place.request(leaves(customer) for customer in FIRST)
        wait_for_answers(own_place, worker, count=10)
        before = len(worker.output())
        await pair.postgres.stop()
        own_place.request(leaves(customer) for customer in LATER)
        own_place.tell([told_of(NEW)])
        worker.wait_to_say('"server_unavailable"')
        outlast_the_watchdog(worker)
        wait_until(lambda: behind(worker) == len(LATER), "the lag", show=worker.output)
        assert waits(worker.output()[before:]) == (1, 0)
        back = await launch(pair.postgres.program)
        wait_for_answers(own_place, worker, count=20)
        await until_defined(own_place, NEW)
        worker.wait_to_say('"server_available"')
    await back.stop()


async def test_kafka_goes_away_and_comes_back(pair: ServerPair, own_place: Place) -> None:
    own_place.load(line for customer in (*FIRST, *LATER) for line in three_rewards(customer))
    with running("run", environment={**own_place.environment, **WATCHED}) as worker:
        own_place.request(leaves(customer) for customer in FIRST)
        wait_for_answers(own_place, worker, count=10)
        before = len(worker.output())
        await pair.kafka.stop()
        worker.wait_to_say('"server_unavailable"')
        outlast_the_watchdog(worker)
        assert waits(worker.output()[before:]) == (1, 0)
        back = await launch(pair.kafka.program)
        own_place.request(leaves(customer) for customer in LATER)
        own_place.tell([told_of(NEW)])
        wait_for_answers(own_place, worker, count=20)
        await until_defined(own_place, NEW)
        worker.wait_to_say('"server_available"')
        found = own_place.seen()
    await back.stop()
    assert all(len(kinds) == 1 for kinds in answers(found).values())
