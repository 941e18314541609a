"""An outage is told once, by the first who waits, and its end by the last."""

import asyncio

import pytest
from structlog.testing import capture_logs

from unenroll.errors import OutageError, Server
from unenroll.telemetry.state import GROUP
from unenroll.worker import backoff as patience
from unenroll.worker.backoff import Backoff, OutageLog

AWAY = OutageError("Kafka does not answer", server=Server.KAFKA)


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_SECONDS", 0.0)


def of_lane(number: int, waiting: OutageLog) -> Backoff:
    return Backoff(lane=number, stopping=asyncio.Event(), waiting=waiting)


async def lose(*lanes: Backoff, times: int) -> None:
    for _ in range(times):
        for lane in lanes:
            await lane.lose(AWAY)


async def test_one_disappointment_is_nothing_to_talk_about() -> None:
    with capture_logs() as said:
        lane = of_lane(1, OutageLog())
        await lose(lane, times=1)
        lane.regain()
        await lose(lane, times=1)
    assert [one["event"] for one in said if one["log_level"] != "debug"] == []


async def test_an_outage_that_meets_all_lanes_is_told_once_and_so_is_its_end() -> None:
    waiting = OutageLog()
    lanes = [of_lane(number, waiting) for number in range(3)]
    with capture_logs() as said:
        waiting.begin(GROUP, AWAY)
        await lose(*lanes, times=5)
        waiting.end(GROUP)
        for lane in lanes:
            lane.regain()
    assert [one["event"] for one in said if one["log_level"] != "debug"] == ["server_unavailable", "server_available"]


async def test_a_lane_that_waited_and_went_to_another_worker_is_waited_for_no_more() -> None:
    waiting = OutageLog()
    with capture_logs() as said:
        await lose(of_lane(1, waiting), of_lane(2, waiting), times=2)
        waiting.now_ours([1])
        of_lane(1, waiting).regain()
        waiting.now_ours([])
        waiting.begin(GROUP, AWAY)
    assert [one["event"] for one in said if one["log_level"] != "debug"] == [
        "server_unavailable",
        "server_available",
        "server_unavailable",
    ]


async def test_nobody_waits_longer_than_until_it_is_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_SECONDS", 3600.0)
    monkeypatch.setattr(patience, "_LONGEST_SECONDS", 3600.0)
    lane = of_lane(1, OutageLog())
    lane.stopping.set()
    async with asyncio.timeout(10):
        await lane.lose(AWAY)
