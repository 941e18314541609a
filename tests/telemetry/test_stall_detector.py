"""The stall detector counts the checks without progress, and health reports why there is none."""

import math
from datetime import UTC, datetime, timedelta
from time import monotonic

from unenroll.telemetry.health import Health, StallDetector
from unenroll.telemetry.state import GROUP, LaneActivity, ProcessStage, ProcessState, WaitReason

AWAY = WaitReason("Postgres does not answer", datetime(2026, 1, 1, tzinfo=UTC))


def working(*activities: LaneActivity) -> ProcessState:
    state = ProcessState(stage=ProcessStage.WORKING)
    state.assign_lanes(range(len(activities)))
    for number, activity in enumerate(activities):
        state.add_lane(number).activity = activity
    return state


def stalled(state: ProcessState, checks: int, *, excuse_seconds: float = math.inf) -> dict[str, int]:
    detector = StallDetector(state=state, excuse_seconds=excuse_seconds)
    found: dict[str, int] = {}
    for _ in range(checks):
        state.beats += 1
        found = detector.check()
    return {name: count for name, count in found.items() if count}


def test_an_idle_lane_is_not_stalled() -> None:
    assert stalled(working(LaneActivity.READING), 5) == {}


def test_a_lane_that_hangs_in_a_batch_is_stalled() -> None:
    assert stalled(
        working(LaneActivity.READING, LaneActivity.DECIDING, LaneActivity.PUBLISHING, LaneActivity.OPENING), 5
    ) == {
        "lane 1": 4,
        "lane 2": 4,
        "lane 3": 4,
    }


def test_a_lane_that_reads_and_is_behind_is_stalled_until_it_publishes() -> None:
    state = working(LaneActivity.READING)
    lane = state.lanes[0]
    lane.published_up_to([("requests", 7)])
    lane.ends = {"requests": 9}
    assert stalled(state, 4) == {"lane 0": 3}
    detector = StallDetector(state=state, excuse_seconds=math.inf)
    detector.check()
    detector.check()
    lane.published_up_to([("requests", 8)])
    assert detector.check()["lane 0"] == 0
    lane.published_up_to([("requests", 9)])
    assert "lane 0" not in detector.check()


def test_a_lane_that_publishes_makes_progress_and_one_that_retries_a_batch_does_not() -> None:
    state = working(LaneActivity.DECIDING, LaneActivity.DECIDING)
    detector = StallDetector(state=state, excuse_seconds=math.inf)
    for offset in range(3):
        state.lanes[0].published_up_to([("requests", offset)])
        for lane in state.lanes.values():
            lane.activity = LaneActivity.OPENING
            lane.activity = LaneActivity.DECIDING
        found = detector.check()
    assert (found["lane 0"], found["lane 1"]) == (0, 2)


def test_a_wait_for_a_server_that_answers_our_check_is_an_excuse_for_a_limited_time() -> None:
    state = working(LaneActivity.DECIDING)
    state.servers["kafka"] = None
    state.waiting["lane 0"] = WaitReason("Kafka does not answer", datetime.now(UTC) - timedelta(seconds=60))
    assert stalled(state, 5, excuse_seconds=90) == {}
    assert stalled(state, 5, excuse_seconds=30) == {"lane 0": 4}
    state.servers["kafka"] = AWAY
    assert stalled(state, 5, excuse_seconds=30) == {}


def test_a_lane_that_waits_for_a_server_is_not_stalled() -> None:
    lane_waits, server_away, group_waits = (working(LaneActivity.DECIDING) for _ in range(3))
    lane_waits.waiting["lane 0"] = AWAY
    server_away.servers["postgres"] = AWAY
    group_waits.waiting[GROUP] = AWAY
    assert stalled(lane_waits, 5) == stalled(server_away, 5) == stalled(group_waits, 5) == {}


def test_the_wait_of_another_lane_does_not_excuse_a_lane() -> None:
    state = working(LaneActivity.DECIDING, LaneActivity.DECIDING)
    state.waiting["lane 1"] = AWAY
    assert stalled(state, 3) == {"lane 0": 2}


def test_a_blocked_event_loop_is_stalled_even_before_there_are_lanes() -> None:
    detector = StallDetector(state=ProcessState(), excuse_seconds=math.inf)
    assert [detector.check()["the event loop"] for _ in range(3)] == [0, 1, 2]


def test_a_group_that_never_assigns_lanes_is_stalled_but_a_spare_worker_is_not() -> None:
    assert stalled(ProcessState(stage=ProcessStage.WORKING), 3) == {"the group": 2}
    assert stalled(working(), 3) == {}


def test_a_process_that_starts_or_stops_is_not_stalled() -> None:
    for stage in (ProcessStage.STARTING, ProcessStage.STOPPING):
        state = working(LaneActivity.DECIDING)
        state.stage = stage
        assert stalled(state, 3) == {}


def test_health_reports_why_there_is_no_progress() -> None:
    state = working(LaneActivity.READING)
    health = Health(state=state, seconds=10)
    assert health.alive().status == 200
    assert b'"nothing to do"' in health.alive().body
    state.waiting["lane 0"] = AWAY
    assert b"waiting: lane 0: Postgres does not answer, since 2026-01-01T00:00:00+00:00" in health.alive().body
    state.stalled = {"lane 0": 9.5}
    assert health.alive().status == 200
    state.stalled = {"lane 0": 10.0}
    assert (health.alive().status, b"lane 0: no progress for 10 s" in health.alive().body) == (503, True)
    assert Health(state=state, seconds=0).alive().status == 200


def test_a_worker_is_ready_when_its_lanes_are_open_and_its_servers_answer() -> None:
    state = ProcessState()
    health = Health(state=state, seconds=10)
    assert (health.ready().status, b"the process is starting" in health.ready().body) == (503, True)
    state.stage = ProcessStage.WORKING
    state.servers = {"kafka": None, "postgres": None}
    assert (health.ready().status, b"has not assigned lanes" in health.ready().body) == (503, True)
    state.assign_lanes([])
    assert health.ready().status == 200  # a spare worker: other workers have all lanes
    state.add_lane(3)
    assert (health.ready().status, b"lane 3: opening" in health.ready().body) == (503, True)
    state.lanes[3].activity = LaneActivity.READING
    assert health.ready().status == 200
    state.servers["postgres"] = AWAY
    assert (health.ready().status, b"postgres: Postgres does not answer" in health.ready().body) == (503, True)
    state.servers["postgres"] = None
    state.waiting["lane 3"] = AWAY
    assert health.ready().status == 503
    state.waiting.clear()
    state.revoke_lanes()
    assert health.ready().status == 503


def test_a_lane_that_gets_no_records_though_some_wait_is_not_ready() -> None:
    state = working(LaneActivity.READING)
    state.servers["kafka"] = None
    state.lanes[0].unread_since = monotonic()
    assert Health(state=state, seconds=10).ready().status == 200
    state.lanes[0].unread_since -= 10
    ready = Health(state=state, seconds=10).ready()
    assert (ready.status, b"lane 0: gets no records though some wait" in ready.body) == (503, True)
