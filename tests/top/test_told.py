"""What is shown of what was seen: no server, no clock, no terminal."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from stage.events import utc
from unenroll.status.partitions import PartitionTold
from unenroll.status.progress import LaneTold, Progress
from unenroll.store.totals import BuriedTold, DefinitionsInShort, Totals
from unenroll.top.screen import Fitted
from unenroll.top.told import parts
from unenroll.top.view import Seen, view

NOW = utc("2026-11-23T08:00:02Z")
BEFORE = NOW - timedelta(seconds=2)
OWNER = "unenroll-2bb4f74f-f686-4149-a533-41844bd43cf1"


def partition(number: int, topic: str, *, committed: int, end: int, age: float | None = None) -> PartitionTold:
    return PartitionTold(
        topic=f"unenroll.{topic}",
        partition=number,
        committed=committed,
        decided=committed,
        end=end,
        lag=end - committed,
        gone=0,
        oldest=None,
        age_seconds=age,
    )


def lane(number: int, *, decided: int, owner: str | None = OWNER) -> LaneTold:
    return LaneTold(lane=number, owner=owner, epoch=3, sequence=decided, published=decided - 1)


FIRST = Progress(
    at=BEFORE,
    state="Stable",
    members=1,
    lanes=(lane(0, decided=100), lane(1, decided=7)),
    partitions=(
        *(partition(0, "facts", committed=50, end=60), partition(1, "facts", committed=0, end=0)),
        *(partition(0, "requests", committed=50, end=90), partition(1, "requests", committed=9, end=9)),
    ),
)
SECOND = replace(
    FIRST,
    at=NOW,
    lanes=(lane(0, decided=140), lane(1, decided=7, owner=None)),
    partitions=(
        *(partition(0, "facts", committed=60, end=60), partition(1, "facts", committed=0, end=0)),
        *(partition(0, "requests", committed=81, end=90, age=75.5), partition(1, "requests", committed=9, end=9)),
    ),
)
COUNTED = Totals(
    at=BEFORE,
    requests={"UNENROLLED": 40},
    facts={"CustomerEnrolled": 50},
    dead_letters={},
    latest_dead_letters=(),
    definitions=None,
    latest_refusals=(),
    settlements_due=0,
)
COUNTED_AGAIN = replace(
    COUNTED,
    at=NOW,
    requests={"NOT_ENROLLED": 1, "UNENROLLED": 79},
    dead_letters={"not_json": 2},
    latest_dead_letters=(
        BuriedTold(
            decided_at=NOW,
            reason="not_json",
            detail="value: \x1b[31mis no JSON" + " at all" * 60,
            topic="unenroll.requests",
            partition=0,
            offset=80,
        ),
    ),
    definitions=DefinitionsInShort(groups=2, group_id=11, version=4, name="Spring", accepted_at=BEFORE),
)
SEEN = Seen(
    at=NOW,
    topic_prefix="unenroll.",
    group_id="unenroll",
    before=FIRST,
    now=SECOND,
    counted_before=COUNTED,
    counted=COUNTED_AGAIN,
)
NOTHING = Seen(at=NOW, topic_prefix="unenroll.", group_id="unenroll")


def drawn(seen: Seen, *, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(*parts(view(seen), width=width), sep="\n")
    return [line.rstrip() for line in captured.get().splitlines()]


def fitted(seen: Seen, *, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    with console.capture() as captured:
        console.print(Fitted(view=view(seen), every=2))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_all_of_it_on_a_wide_screen() -> None:
    lines = [line.split() for line in drawn(SEEN, width=140)]
    (letter,) = [line for line in lines if "not_json" in line and "requests-0@80" in line]
    lines.remove(letter)
    assert [" ".join(line).replace("\N{EN DASH}", "-") for line in lines] == [
        "Group unenroll of unenroll.* stable, 1 worker 23 Nov 2026 08:00:02Z",
        "2 lanes, 1 with a worker lag 9 oldest 1 min 15 s 20 records/s 20 decisions/s",
        "lane worker lag oldest records/s decisions/s decided published opened",
        f"0 {OWNER} 9 1 min 15 s 20 20 140 139 3 times",
        "1 - 0 - 0.0 0.0 7 6 3 times",
        "",
        "requests in all a second facts in all a second dead letters in all a second",
        "NOT_ENROLLED 1 0.5 CustomerEnrolled 50 0.0 not_json 2 1.0",
        "UNENROLLED 79 20",
        "",
        "latest dead letters",
        "",
        "definitions: 2 groups; the last was 11 version 4, Spring, 23 Nov 2026 08:00:00Z",
    ]


def test_a_detail_is_cut_to_one_line_and_nothing_in_it_is_obeyed() -> None:
    (letter,) = [line for line in drawn(SEEN, width=120) if "requests-0@80" in line]
    assert "value: \N{REPLACEMENT CHARACTER}[31mis no JSON at all" in letter
    assert letter.endswith("…")


@pytest.mark.parametrize("width", [30, 50, 72, 100, 200])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    assert max(map(len, drawn(SEEN, width=width))) <= width


def test_a_narrow_screen_has_the_lag_and_leaves_out_the_rest() -> None:
    (heads,) = [line for line in drawn(SEEN, width=40) if line.startswith("lane")]
    assert heads.split() == ["lane", "lag", "oldest", "decisions/s"]


def test_lanes_that_do_not_fit_are_summed_up_those_with_the_greatest_lag_are_shown() -> None:
    many = replace(
        SECOND,
        lanes=tuple(lane(number, decided=1) for number in range(60)),
        partitions=tuple(partition(number, "requests", committed=0, end=number) for number in range(60)),
    )
    lines = fitted(replace(SEEN, now=many, before=None), width=120, height=24)
    assert len(lines) == 24
    shown = [int(line.split()[0]) for line in lines if OWNER[:14] in line]
    assert shown == list(range(60 - len(shown), 60))
    assert len(shown) >= 3
    assert f"and {60 - len(shown)} lanes more, with a lag of {sum(range(60 - len(shown)))}" in lines
    assert lines[-1] == "every 2 s; q leaves"


def test_all_lanes_are_shown_where_there_is_room() -> None:
    lines = fitted(SEEN, width=120, height=50)
    assert [line for line in lines if "lanes more" in line] == []


def test_before_anything_was_seen_only_the_trouble_is_told() -> None:
    seen = replace(NOTHING, trouble=("Kafka does not answer: asking for topics",))
    assert drawn(seen, width=80) == [
        "Group unenroll of unenroll.*  23 Nov 2026 08:00:02Z",
        "! Kafka does not answer: asking for topics",
        "nothing was seen yet",
    ]


def test_what_is_old_says_how_old() -> None:
    later = replace(SEEN, at=NOW + timedelta(seconds=61), trouble=("Postgres does not answer",))
    lines = drawn(later, width=120)
    assert lines[0].endswith("as of 1 min 1 s ago")
    assert lines[1] == "! Postgres does not answer"
    assert "counted 1 min 1 s ago" in lines


def test_the_first_look_knows_no_rates() -> None:
    told = view(replace(SEEN, before=None, counted_before=None))
    assert {one.records_per_second for one in told.lanes} == {one.decisions_per_second for one in told.lanes} == {None}
    assert {one.per_second for one in (*told.requests, *told.facts)} == {None}


def test_what_goes_back_has_no_rate() -> None:
    back = replace(SECOND, lanes=(lane(0, decided=90), lane(1, decided=7)))
    pruned = replace(COUNTED_AGAIN, requests={"UNENROLLED": 30})
    told = view(replace(SEEN, now=back, counted=pruned))
    assert [one.decisions_per_second for one in told.lanes] == [None, 0.0]
    assert [one.per_second for one in told.requests] == [None]
