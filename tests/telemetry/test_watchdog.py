"""The watchdog works while the event loop is blocked, and its dump has code locations and no values."""

import asyncio
import time
from collections.abc import Iterable

import pytest
from structlog.testing import capture_logs

from unenroll.telemetry import watchdog as module
from unenroll.telemetry.state import LaneActivity, ProcessStage, ProcessState
from unenroll.telemetry.watchdog import watchdog

REASON = "the-reason-of-customer-42"


async def inner(reason: str) -> None:
    await asyncio.Event().wait()
    del reason


async def outer() -> None:
    await inner(REASON)


async def test_the_watchdog_ends_a_process_with_a_blocked_event_loop_and_dumps_no_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_CHECK_SECONDS", 0.02)
    dumped: list[str] = []

    def end(lines: Iterable[str]) -> None:
        dumped.extend(lines)

    state = ProcessState(stage=ProcessStage.WORKING)
    state.assign_lanes([4])
    state.add_lane(4).activity = LaneActivity.READING
    stuck = asyncio.create_task(outer(), name="lane 4")
    await asyncio.sleep(0)
    with capture_logs() as logs, watchdog(state, seconds=0.1, end=end):
        deadline = time.monotonic() + 10
        while not dumped and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: ASYNC251 - blocks the event loop on purpose
    stuck.cancel()
    text = "\n".join(dumped)
    assert [(one["event"], one["log_level"]) for one in logs] == [("progress_stalled", "critical")]
    assert "the event loop" in logs[0]["seconds"]
    assert "lane 4: reading" in text
    (task,) = (line for line in dumped if line.startswith("task 'lane 4'"))
    assert task.count("telemetry/test_watchdog.py") == 2
    assert "outer > " in task
    assert "inner > " in task
    assert any(line.startswith("thread 'MainThread'") and "test_watchdog.py" in line for line in dumped)
    assert REASON not in text


async def test_the_watchdog_never_ends_a_process_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHECK_SECONDS", 0.01)
    ended: list[object] = []
    state = ProcessState()
    with watchdog(state, seconds=0, end=ended.append):
        deadline = time.monotonic() + 5
        while state.stalled.get("the event loop", 0) < 0.2 and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: ASYNC251 - the same
    assert state.stalled["the event loop"] >= 0.2
    assert ended == []
