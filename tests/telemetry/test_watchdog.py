"""The watchdog in this process: it says where everybody stands, whatever holds up the event loop."""

import asyncio
import time
from collections.abc import Iterable

import pytest
from structlog.testing import capture_logs

from unenroll.telemetry import watchdog
from unenroll.telemetry.state import LaneActivity, ProcessStage, ProcessState
from unenroll.telemetry.watchdog import under_watchdog

REASON = "the-reason-of-customer-42"


async def inner(told: str) -> None:
    await asyncio.Event().wait()
    del told


async def outer() -> None:
    await inner(REASON)


async def test_a_held_up_event_loop_is_seen_from_outside_and_the_dump_names_places_not_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "_LOOK_SECONDS", 0.02)
    said: list[str] = []

    def end(lines: Iterable[str]) -> None:
        said.extend(lines)

    board = ProcessState(stage=ProcessStage.WORKING)
    board.keep([4])
    board.lane(4).turn_to(LaneActivity.READING)
    stuck = asyncio.create_task(outer(), name="lane 4")
    await asyncio.sleep(0)
    with capture_logs() as logs, under_watchdog(board, seconds=0.1, end=end):
        deadline = time.monotonic() + 10
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: ASYNC251 - nothing else may run: that is what is looked for
    stuck.cancel()
    text = "\n".join(said)
    assert [(one["event"], one["log_level"]) for one in logs] == [("progress_stalled", "critical")]
    assert "the event loop" in logs[0]["seconds"]
    assert "lane 4: reading" in text
    (task,) = (line for line in said if line.startswith("task 'lane 4'"))
    assert task.count("telemetry/test_watchdog.py") == 2
    assert "outer > " in task
    assert "inner > " in task
    assert any(line.startswith("thread 'MainThread'") and "test_watchdog.py" in line for line in said)
    assert REASON not in text


async def test_it_never_ends_what_it_is_not_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_LOOK_SECONDS", 0.01)
    ended: list[object] = []
    board = ProcessState()
    with under_watchdog(board, seconds=0, end=ended.append):
        deadline = time.monotonic() + 5
        while board.still.get("the event loop", 0) < 0.2 and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: ASYNC251 - the same
    assert board.still["the event loop"] >= 0.2
    assert ended == []
