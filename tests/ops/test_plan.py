"""`plan` predicts the decisions of requests in the order of the file, and changes nothing."""

import json
from pathlib import Path

import pytest

from support.commands import PlanFile, plan, requests
from support.events import definition, reward_line, three_rewards
from support.files import command, event_line, leave_line, tables, write_file
from unenroll.ops.plan.plan import PAGE_REQUESTS


@pytest.fixture
async def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    """Customers 1 to 5 take part in milestone ABC, each with three rewards; a leave in March costs the third."""
    lines = [definition(), *(line for customer in range(1, 6) for line in three_rewards(customer))]
    assert (await write_file(tmp_path, lines).load(database_url)).bad == 0
    return {"UNENROLL_DATABASE_URL": database_url}


async def test_a_plan_lists_what_falls_what_is_kept_and_what_is_cancelled_and_changes_nothing(
    environment: dict[str, str], tmp_path: Path
) -> None:
    before = await tables(environment["UNENROLL_DATABASE_URL"])
    made = plan(tmp_path, requests(1), environment=environment)
    assert await tables(environment["UNENROLL_DATABASE_URL"]) == before
    (line,) = made.lines()
    predicted = line["predicted"]
    assert (predicted["outcome"], predicted["decision"]) == ("UNENROLLED", 5)
    assert predicted["kept"] == [
        {"reward_id": "R1-1", "rule": "CYCLE_FINISHED"},
        {"reward_id": "R2-1", "rule": "CYCLE_FINISHED"},
    ]
    left, cancelled = predicted["events"]
    assert (left["type"], left["data"]["droppedPeriods"]["first"], left["data"]["keptPeriods"]["last"]) == (
        *("UserUnenrolled", "c3"),
        "c2",
    )
    assert (cancelled["type"], cancelled["data"]["rewardId"]) == ("RewardCancelled", "R3-1")


def test_totals_are_by_group_cycle_rule_and_unit(environment: dict[str, str], tmp_path: Path) -> None:
    late = leave_line(3, at="2026-02-05T00:00:00Z")
    made = plan(tmp_path, [*requests(1, 2, 9), late], environment=environment)
    assert made.totals == {
        "requests": 4,
        "outcomes": {"NOT_ENROLLED": 1, "UNENROLLED": 3},
        "falls": [
            {"group_id": 11, "period_name": "c2", "leaves": 1},
            {"group_id": 11, "period_name": "c3", "leaves": 2},
        ],
        "rewards": [
            reward_totals("c2", "AFTER_UNENROLLMENT", "REVERSE", rewards=1, amount="250.50"),
            reward_totals("c3", "AFTER_UNENROLLMENT", "VOID", rewards=1, amount="250.50"),
            reward_totals("c3", "PERIOD_END_LOST", "VOID", rewards=2, amount="501.00"),
        ],
        "cancelled": 4,
        "values": {"points": "1002.00"},
    }


def reward_totals(cycle: str, rule: str, action: str, *, rewards: int, amount: str) -> dict[str, object]:
    return {
        "group_id": 11,
        "period_name": cycle,
        "rule": rule,
        "action": action,
        "unit": "points",
        "rewards": rewards,
        "amount": amount,
    }


def test_a_refusal_is_shown_with_its_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    made = plan(tmp_path, requests(9, 0), environment=environment)
    assert [(one["outcome"], one["code"]) for one in made.said["refused"]] == [
        ("NOT_ENROLLED", 310149),
        ("INVALID_CUSTOMER", 310011),
    ]
    assert made.said["refused"][0]["detail"].startswith("The customer was not enrolled at that time")
    assert [line["predicted"]["decision"] for line in made.lines()] == [1, None]


def test_requests_of_one_account_are_planned_one_on_top_of_the_other_however_far_apart(
    environment: dict[str, str], tmp_path: Path
) -> None:
    between = requests(*range(1000, 1000 + PAGE_REQUESTS))
    again = [event_line("UnenrollRequested", f"again-{at}", time=at, **ABC_OF_1) for at in ("2026-03-10T00:00:00Z",)]
    made = plan(tmp_path, [*requests(1), *between, *again, *again, *requests(1)], environment=environment)
    first, *_, last = made.lines()
    assert first["data"]["expected"] == {"decision": 4}
    assert last["data"]["expected"] == {"decision": 5, "after": {"id": "leave-1", "source": "/crm"}}
    (unenrolled,) = last["predicted"]["events"]
    assert unenrolled["data"]["supersedes"] == first["predicted"]["events"][0]["data"]["unenrollmentId"]
    assert unenrolled["data"]["revision"] == 2
    assert (made.totals["requests"], made.said["known_already"]) == (PAGE_REQUESTS + 2, 2)


ABC_OF_1 = {"customerId": 1, "targetGroupId": 11, "targetId": 21}


def test_what_is_refused_for_good_is_no_request_before(environment: dict[str, str], tmp_path: Path) -> None:
    early = leave_line(1, effectiveAt="2026-04-01T00:00:00Z")
    late = event_line("UnenrollRequested", "later", time="2026-04-15T00:00:00Z", **ABC_OF_1)
    made = plan(tmp_path, [early, late], environment=environment)
    assert made.predicted() == ["EFFECTIVE_IN_FUTURE", "UNENROLLED"]
    assert [line["data"]["expected"] for line in made.lines()] == [{"decision": 4}, {"decision": 4}]


def test_unknown_fields_stay_in_the_requests(environment: dict[str, str], tmp_path: Path) -> None:
    made = plan(tmp_path, [leave_line(1, note={"a": [1.50, "\ud800"]}, effectiveAt=None)], environment=environment)
    (line,) = made.lines()
    assert list(line["data"]) == ["customerId", "targetGroupId", "targetId", "note", "effectiveAt", "expected"]
    assert line["data"]["note"] == {"a": [1.50, "\ud800"]}


BAD = {
    "a fact": (
        reward_line(1, "R9", "c3", at="2026-03-05T00:00:00Z").replace("e-R9-1", "new"),
        "unknown_type: type: must be UnenrollRequested",
    ),
    "no JSON": ("{", "not_json"),
    "a field that only a plan sets": (
        leave_line(1, expected={"decision": 4}),
        "data.expected: must be absent, because `unenroll plan` sets it",
    ),
    "an id that the file has with another content": (leave_line(2, at="2026-03-16T00:00:00Z"), "id_conflict"),
    "too long a line": (leave_line(1, note="x" * 2**20), "line_too_long"),
}


def test_bad_lines_are_listed_by_number_and_the_others_are_planned(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "bad.ndjson"
    file.write_text("".join(f"{line}\n" for line in [*requests(2), *(line for line, _ in BAD.values())]))
    said = command("plan", str(file), "--json", environment=environment)
    assert said.code == 1
    *bad, last = said.err.splitlines()
    for number, ((_, why), line) in enumerate(zip(BAD.values(), bad, strict=True), start=2):
        assert line.startswith(f"{file}:{number}: ")
        assert why in line
    assert last == f"unenroll: skipped {len(BAD)} bad lines; processed all other lines"
    assert json.loads(said.out)["plan"]["requests"] == 1
    assert (tmp_path / "bad.ndjson.plan").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--max-rewards", "1"), "it cancels 2 rewards, more than --max-rewards 1"),
        (("--max-value", "points=500.99"), "it cancels 501.00 points, more than --max-value points=500.99"),
        (
            ("--max-value", "EUR=1", "--max-rewards", "0", "--max-value", "points=0"),
            "it cancels 2 rewards, more than --max-rewards 0; it cancels 501.00 points, more than --max-value points=0",
        ),
    ],
)
def test_a_plan_that_exceeds_a_limit_is_not_written(
    environment: dict[str, str], tmp_path: Path, options: tuple[str, ...], why: str
) -> None:
    file = write_file(tmp_path, requests(1, 2), "leaves.ndjson").path
    said = command("plan", str(file), *options, environment=environment)
    assert (said.code, said.err) == (1, f"unenroll: no plan was written: {why}\n")
    assert "UNENROLLED" in said.out
    assert not (tmp_path / "leaves.ndjson.plan").exists()


def test_a_plan_within_its_limits_is_written(environment: dict[str, str], tmp_path: Path) -> None:
    options = ("--max-rewards", "2", "--max-value", "points=501", "--max-value", "EUR=0")
    assert plan(tmp_path, requests(1, 2), *options, environment=environment).path.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("-",), 2, "a plan of standard input needs --out PLAN"),
        (("-", "--out", "missing/plan"), 2, "cannot write missing/plan: No such file or directory"),
        (("-", "--out", "/dev/null"), 2, "/dev/null exists already; name another file with --out"),
        (("-", "--out", "plan", "--max-value", "EUR"), 2, "--max-value EUR: must be UNIT=AMOUNT, like EUR=1000.00"),
        (("-", "--out", "plan", "--max-value", "E=NaN"), 2, "--max-value E=NaN: must be UNIT=AMOUNT, like EUR=1000.00"),
        (("-", "--out", "plan"), 1, "no plan was written: no request is new"),
        (("missing.ndjson",), 2, "there is no file missing.ndjson"),
    ],
)
def test_what_cannot_be_planned_is_said_in_one_line(
    environment: dict[str, str], arguments: tuple[str, ...], code: int, why: str
) -> None:
    said = command("plan", *arguments, environment=environment)
    assert (said.code, said.err) == (code, f"unenroll: {why}\n")
    assert not Path("plan").exists()


def test_a_plan_is_shown_to_a_person(environment: dict[str, str], tmp_path: Path) -> None:
    file = write_file(tmp_path, requests(1), "leaves.ndjson").path
    said = command("plan", str(file), environment=environment)
    assert said.code == 0
    for words in (
        "Planned 1 request; left out 0 that were decided before.",
        "c3     PERIOD_END_LOST  VOID    1        250.50 points",
        "cancelled in total: 1, value 250.50 points",
        "UNENROLLED; c3\u2013c5 fall; c1\u2013c2 kept; R3-1 VOID (PERIOD_END_LOST, 250.50 points); kept: R1-1",
        f"Wrote {file}.plan. To apply it: unenroll apply {file}.plan",
    ):
        assert words in said.out


def test_the_first_leaves_and_the_first_refusals_are_shown_of_many(environment: dict[str, str], tmp_path: Path) -> None:
    again = [event_line("UnenrollRequested", f"again-{n}", time="2026-03-20T00:00:00Z", **ABC_OF_1) for n in range(30)]
    file = write_file(tmp_path, [*again, *requests(1, 2)], "leaves.ndjson").path
    said = command("plan", str(file), environment=environment)
    assert "\nRefusals (the first 20 of 29)\n" in said.out
    assert "leave-2 of /crm" in said.out


def made_twice(made: PlanFile, other: PlanFile) -> bool:
    return made.lines() == other.lines() and made.said["sha256"] == other.said["sha256"]


def test_the_hash_is_of_everything_that_the_plan_says(environment: dict[str, str], tmp_path: Path) -> None:
    first = plan(tmp_path, requests(1), environment=environment)
    assert not made_twice(first, plan(tmp_path, requests(2), environment=environment))
