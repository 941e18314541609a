"""Who should move and does not: counted in looks."""

from datetime import UTC, datetime

from unenroll.telemetry.health import Health, StallDetector
from unenroll.telemetry.state import GROUP, LaneActivity, ProcessStage, ProcessState, WaitReason

AWAY = WaitReason("Postgres does not answer", datetime(2026, 1, 1, tzinfo=UTC))


def working(*doing: LaneActivity) -> ProcessState:
    board = ProcessState(stage=ProcessStage.WORKING)
    board.keep(range(len(doing)))
    for number, what in enumerate(doing):
        board.lane(number).turn_to(what)
    return board


def looked(board: ProcessState, times: int) -> dict[str, int]:
    stillness = StallDetector(board=board)
    found: dict[str, int] = {}
    for _ in range(times):
        board.beats += 1
        found = stillness.look()
    return {name: looks for name, looks in found.items() if looks}


def test_a_lane_that_reads_and_has_nothing_to_do_is_in_order() -> None:
    assert looked(working(LaneActivity.READING), 5) == {}


def test_a_lane_that_hangs_in_a_batch_stands_still() -> None:
    assert looked(
        working(LaneActivity.READING, LaneActivity.DECIDING, LaneActivity.PUBLISHING, LaneActivity.OPENING), 5
    ) == {
        "lane 1": 4,
        "lane 2": 4,
        "lane 3": 4,
    }


def test_a_lane_that_reads_and_is_behind_stands_still_until_it_publishes() -> None:
    board = working(LaneActivity.READING)
    lane = board.lanes[0]
    lane.stand_at([("requests", 7)])
    lane.ends = {"requests": 9}
    assert looked(board, 4) == {"lane 0": 3}
    stillness = StallDetector(board=board)
    stillness.look()
    stillness.look()
    lane.stand_at([("requests", 8)])
    assert stillness.look()["lane 0"] == 0
    lane.stand_at([("requests", 9)])
    assert "lane 0" not in stillness.look()


def test_a_lane_that_goes_from_batch_to_batch_moves_and_one_that_tries_the_same_again_does_not() -> None:
    board = working(LaneActivity.DECIDING, LaneActivity.DECIDING)
    stillness = StallDetector(board=board)
    for offset in range(3):
        board.lanes[0].stand_at([("requests", offset)])
        for lane in board.lanes.values():
            lane.turn_to(LaneActivity.OPENING)
            lane.turn_to(LaneActivity.DECIDING)
        found = stillness.look()
    assert (found["lane 0"], found["lane 1"]) == (0, 2)


def test_an_outage_is_a_reason_for_none() -> None:
    waits, asked, grouped = (working(LaneActivity.DECIDING) for _ in range(3))
    waits.waiting["lane 0"] = AWAY
    asked.servers["postgres"] = AWAY
    grouped.waiting[GROUP] = AWAY
    assert looked(waits, 5) == looked(asked, 5) == looked(grouped, 5) == {}


def test_another_lane_that_waits_is_no_reason() -> None:
    board = working(LaneActivity.DECIDING, LaneActivity.DECIDING)
    board.waiting["lane 1"] = AWAY
    assert looked(board, 3) == {"lane 0": 2}


def test_an_event_loop_that_does_not_turn_stands_still_even_before_there_are_lanes() -> None:
    stillness = StallDetector(board=ProcessState())
    assert [stillness.look()["the event loop"] for _ in range(3)] == [0, 1, 2]


def test_a_group_that_never_says_whose_the_lanes_are_stands_still_but_a_spare_worker_does_not() -> None:
    assert looked(ProcessState(stage=ProcessStage.WORKING), 3) == {"the group": 2}
    assert looked(working(), 3) == {}


def test_who_starts_or_stops_is_not_held_to_anything() -> None:
    for stage in (ProcessStage.STARTING, ProcessStage.STOPPING):
        board = working(LaneActivity.DECIDING)
        board.stage = stage
        assert looked(board, 3) == {}


def test_health_says_why_there_is_no_progress() -> None:
    board = working(LaneActivity.READING)
    health = Health(board=board, seconds=10)
    assert health.alive().status == 200
    assert b'"nothing to do"' in health.alive().body
    board.waiting["lane 0"] = AWAY
    assert b"waiting: lane 0: Postgres does not answer, since 2026-01-01T00:00:00+00:00" in health.alive().body
    board.still = {"lane 0": 9.5}
    assert health.alive().status == 200
    board.still = {"lane 0": 10.0}
    assert (health.alive().status, b"lane 0: no progress for 10 s" in health.alive().body) == (503, True)
    assert Health(board=board, seconds=0).alive().status == 200


def test_ready_is_who_has_its_lanes_open_and_servers_that_answer() -> None:
    board = ProcessState()
    health = Health(board=board, seconds=10)
    assert (health.ready().status, b"it is starting" in health.ready().body) == (503, True)
    board.stage = ProcessStage.WORKING
    board.servers = {"kafka": None, "postgres": None}
    assert (health.ready().status, b"whose" in health.ready().body) == (503, False)
    board.keep([])
    assert health.ready().status == 200  # a spare one: the others have all lanes
    board.lane(3)
    assert (health.ready().status, b"lane 3: opening" in health.ready().body) == (503, True)
    board.lanes[3].turn_to(LaneActivity.READING)
    assert health.ready().status == 200
    board.servers["postgres"] = AWAY
    assert (health.ready().status, b"postgres: Postgres does not answer" in health.ready().body) == (503, True)
    board.servers["postgres"] = None
    board.waiting["lane 3"] = AWAY
    assert health.ready().status == 503
    board.waiting.clear()
    board.give_back()
    assert health.ready().status == 503
