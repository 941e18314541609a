"""An outage is logged once when the first lane waits, and its end when the last lane goes on."""

import asyncio

import pytest
from structlog.testing import capture_logs

from unenroll.errors import OutageError, Server
from unenroll.telemetry.state import GROUP
from unenroll.worker import backoff
from unenroll.worker.backoff import Backoff, OutageLog

AWAY = OutageError("Kafka does not answer", server=Server.KAFKA)


@pytest.fixture(autouse=True)
def without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "_FIRST_SECONDS", 0.0)


def of_lane(number: int, outages: OutageLog) -> Backoff:
    return Backoff(lane=number, stopping=asyncio.Event(), outages=outages)


async def fail(*lanes: Backoff, times: int) -> None:
    for _ in range(times):
        for lane in lanes:
            await lane.wait(AWAY)


async def test_a_single_failure_is_not_logged() -> None:
    with capture_logs() as logs:
        lane = of_lane(1, OutageLog())
        await fail(lane, times=1)
        lane.reset()
        await fail(lane, times=1)
    assert [one["event"] for one in logs if one["log_level"] != "debug"] == []


async def test_an_outage_of_all_lanes_is_logged_once_and_so_is_its_end() -> None:
    outages = OutageLog()
    lanes = [of_lane(number, outages) for number in range(3)]
    with capture_logs() as logs:
        outages.begin(GROUP, AWAY)
        await fail(*lanes, times=5)
        outages.end(GROUP)
        for lane in lanes:
            lane.reset()
    assert [one["event"] for one in logs if one["log_level"] != "debug"] == ["server_unavailable", "server_available"]


async def test_a_revoked_lane_does_not_wait_any_more() -> None:
    outages = OutageLog()
    with capture_logs() as logs:
        await fail(of_lane(1, outages), of_lane(2, outages), times=2)
        outages.keep_lanes([1])
        of_lane(1, outages).reset()
        outages.keep_lanes([])
        outages.begin(GROUP, AWAY)
    assert [one["event"] for one in logs if one["log_level"] != "debug"] == [
        "server_unavailable",
        "server_available",
        "server_unavailable",
    ]


async def test_a_lane_that_has_to_stop_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "_FIRST_SECONDS", 3600.0)
    monkeypatch.setattr(backoff, "_LONGEST_SECONDS", 3600.0)
    lane = of_lane(1, OutageLog())
    lane.stopping.set()
    async with asyncio.timeout(10):
        await lane.wait(AWAY)
