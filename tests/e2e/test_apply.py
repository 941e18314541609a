"""`apply` publishes a plan: lanes decide what was predicted, or nothing."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.commands import MadePlan, applied, plan, requests
from support.databases import cloned
from support.events import definition, enrolled, reward, three_rewards
from support.files import appended, command, event, tables
from support.killed_commands import killed_sender
from support.place import Place
from support.workers import running
from unenroll.sandbox.servers import ServerAddresses
from waiting import until

ABC_OF_1 = {"customerId": 1, "targetGroupId": 11, "targetId": 21}
EARLIER = event("UnenrollRequested", "earlier", time="2026-02-05T00:00:00Z", **ABC_OF_1)
NEWS = reward(1, "R4-1", "c3", at="2026-03-06T00:00:00Z")
AS_PREDICTED = {"AS_PREDICTED": 0, "STALE": 0, "DIFFERENT": 0, "UNDECIDED": 0}


def planned(place: Place, *more: str) -> MadePlan:
    """Customers 1 to 4 leave, and 9, whom nobody knows."""
    place.load(line for customer in range(1, 5) for line in three_rewards(customer))
    return plan(place.folder, [*requests(1, 2, 3, 4, 9), *more], environment=place.environment)


def published(place: Place) -> dict[str, tuple[str, Any]]:
    """By id: the events that are visible. None is there twice."""
    found = place.seen()
    events = {
        str(record.header("ce_id")): (str(record.header("ce_type")).split(".")[1], record.data) for record in found
    }
    assert len(events) == len(found)
    return events


@contextmanager
def worker(place: Place) -> Iterator[None]:
    """The real worker, while the block runs."""
    with running("run", environment=place.environment) as command:
        yield
        command.tell(signal.SIGTERM)
        assert command.wait() == 0


async def test_what_is_decided_is_what_was_predicted_and_a_repeated_apply_changes_nothing(place: Place) -> None:
    made = planned(place, EARLIER)
    with worker(place):
        done = applied(made.path, environment=place.environment)
        assert (done["published"], done["answered_before"]) == (6, 0)
        assert done["results"] == AS_PREDICTED | {"AS_PREDICTED": 6}
    assert published(place) == made.events()
    before = await tables(place.database_url)
    again = applied(made.path, environment=place.environment)
    assert (again["published"], again["results"]) == (0, done["results"])
    assert await tables(place.database_url) == before
    assert published(place) == made.events()


async def test_what_moved_since_is_stale_is_named_and_loses_nothing(place: Place) -> None:
    made = planned(place, EARLIER)
    place.load([NEWS.replace("e-R4-1", "news")])
    report = place.folder / "report.ndjson"
    with worker(place):
        options = ("--report", str(report), "--stale", str(place.folder / "stale.ndjson"))
        done = applied(made.path, *options, environment=place.environment, code=1)
    assert done["results"] == AS_PREDICTED | {"AS_PREDICTED": 4, "STALE": 2}
    assert [(one["result"], one["customer_id"], one["id"]) for one in done["named"]] == [
        ("STALE", 1, "leave-1"),
        ("STALE", 1, "earlier"),
    ]
    told = [json.loads(line) for line in report.read_text().splitlines()]
    assert [one["result"] for one in told] == ["STALE", *["AS_PREDICTED"] * 4, "STALE"]
    of_1 = [record for record in place.seen() if record.key == b"1"]
    assert [(record.topic.removeprefix(place.prefix), record.data["outcome"]) for record in of_1] == [
        *[("rejections", "PLAN_STALE")] * 2
    ]
    rows = await place.rows("select outcome::text, decision from ledger where customer_id = 1 and outcome is not null")
    assert rows == [{"outcome": "PLAN_STALE", "decision": None}] * 2
    again = plan(place.folder, (place.folder / "stale.ndjson").read_text().splitlines(), environment=place.environment)
    assert again.predicted() == ["UNENROLLED", "UNENROLLED"]
    with worker(place):
        assert applied(again.path, environment=place.environment)["results"] == AS_PREDICTED | {"AS_PREDICTED": 2}


def test_an_apply_that_is_killed_is_finished_by_the_next_one(place: Place) -> None:
    made = planned(place)
    with killed_sender("apply", str(made.path), "--no-wait", environment=place.environment) as command:
        assert command.wait() == -signal.SIGKILL
    with worker(place):
        done = applied(made.path, environment=place.environment)
    assert done["results"] == AS_PREDICTED | {"AS_PREDICTED": 5}
    assert published(place) == made.events()


async def test_two_at_once_do_not_apply_the_same_plan(place: Place) -> None:
    made = planned(place)
    with running("apply", str(made.path), "--patience", "600", environment=place.environment) as first:
        await until(partial(locked, place))
        second = command("apply", str(made.path), environment=place.environment)
        assert second.code == 1
        assert second.err == "unenroll: another process is applying this plan: wait until it ends, then try again\n"
        first.tell(signal.SIGKILL)
        first.wait()
    with worker(place):
        assert applied(made.path, environment=place.environment)["answered_before"] in range(6)
    assert published(place) == made.events()


async def locked(place: Place) -> bool:
    """Whether somebody has an advisory lock in the database."""
    return bool(await place.rows("select from pg_locks where locktype = 'advisory' and database = (" + OWN + ")"))


OWN = "select oid from pg_database where datname = current_database()"


def test_apply_stops_waiting_and_counts_the_undecided_requests(place: Place) -> None:
    made = planned(place)
    done = applied(made.path, "--patience", "1", environment=place.environment, code=1)
    assert done["results"] == AS_PREDICTED | {"UNDECIDED": 5}


@pytest.mark.thorough
def test_no_wait_publishes_only(place: Place) -> None:
    made = planned(place)
    done = applied(made.path, "--no-wait", environment=place.environment)
    assert (done["published"], done["results"]) == (5, None)
    place.catch_up()
    assert applied(made.path, environment=place.environment)["results"] == AS_PREDICTED | {"AS_PREDICTED": 5}


@pytest.mark.thorough
def test_requests_that_were_published_without_the_plan_meanwhile_are_not_decided_again(place: Place) -> None:
    made = planned(place)
    place.tell(requests(2))
    place.catch_up()
    with worker(place):
        done = applied(made.path, environment=place.environment)
    assert (done["published"], done["answered_before"]) == (4, 1)
    assert done["results"] == AS_PREDICTED | {"AS_PREDICTED": 5}


async def test_a_decision_that_differs_from_the_plan_is_reported(place: Place) -> None:
    made = planned(place)
    place.load([NEWS.replace("e-R4-1", "news")])
    place.tell(requests(1))
    place.catch_up()
    with worker(place):
        done = applied(made.path, environment=place.environment, code=1)
    (named,) = done["named"]
    assert (named["result"], named["customer_id"]) == ("DIFFERENT", 1)
    assert "decision 6 on the account instead of 5" in named["why"]
    assert any("RewardCancelled" in why and "was not predicted" in why for why in named["why"])


async def test_a_new_definition_of_a_group_invalidates_a_plan(place: Place) -> None:
    made = planned(place)
    place.load([definition(appended(2))])
    refused(place, made.path, "target group 11 got a new definition after the plan was made; plan again")


async def test_a_plan_of_another_database_is_refused(place: Place, servers: ServerAddresses, template: str) -> None:
    made = planned(place)
    async with cloned(servers, template) as url:
        elsewhere = place.environment | {"UNENROLL_DATABASE_URL": url}
        said = command("apply", str(made.path), environment=elsewhere)
    assert (said.code, said.err) == (1, "unenroll: the plan was made from another database; plan again from this one\n")


@pytest.mark.thorough
def test_a_plan_is_not_applied_to_topics_that_workers_of_its_database_do_not_read(place: Place) -> None:
    made = planned(place)
    place.catch_up()
    place.make_again("requests")
    name = f"{place.prefix}requests"
    refused(
        place, made.path, f"no worker of this database has read topic {name}; check UNENROLL_KAFKA_BOOTSTRAP_SERVERS"
    )


def refused(place: Place, path: Path, why: str) -> None:
    """The plan is refused for this reason, and nothing of it is published."""
    said = command("apply", str(path), environment=place.environment)
    assert (said.code, said.err) == (1, f"unenroll: {why}\n")
    assert place.seen("requests") == []


def test_a_file_that_was_changed_is_refused(place: Place) -> None:
    made = planned(place)
    whole = made.path.read_bytes()
    first, *lines = whole.splitlines(keepends=True)
    changed = f"{made.path} was changed: its hash does not match its contents; plan again"
    for spoiled in (
        whole.replace(b'"leave-2"', b'"leave-7"'),
        whole.replace(b'"requests":5', b'"requests":4', 1),
        first + b"".join(reversed(lines)),
        whole + lines[0],
        whole[:-2] + b"}",
    ):
        made.path.write_bytes(spoiled)
        refused(place, made.path, changed)
    made.path.write_bytes(b"".join([first, *lines[:3]]))
    refused(place, made.path, f"{made.path} is truncated: it has 3 of 5 requests; plan again")
    for kind in (b"", b"\x1f\x8b\x08", enrolled(1).encode(), b"\xff", lines[0], first[:100]):
        made.path.write_bytes(kind)
        refused(place, made.path, f"{made.path} is not a plan that `unenroll plan` wrote")
    made.path.write_bytes(first.replace(b"unenroll plan 1", b"unenroll plan 9"))
    refused(
        place,
        made.path,
        f"{made.path} has format 'unenroll plan 9', but this version reads 'unenroll plan 1'; plan again",
    )


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("missing.plan",), "cannot read missing.plan: No such file or directory"),
        (
            ("missing.plan", "--no-wait", "--report", "r"),
            "--report and --stale need the lanes' decisions, so they exclude --no-wait",
        ),
    ],
)
def test_wrong_arguments_are_said_in_one_line(nowhere: Place, arguments: tuple[str, ...], why: str) -> None:
    said = command("apply", *arguments, environment=nowhere.environment)
    assert said.code == 2
    assert said.err.startswith(f"unenroll: {why}")


def test_a_report_never_overwrites_what_is_read(place: Place) -> None:
    made = planned(place)
    before = made.path.read_bytes()
    report = str(place.folder / "report")
    for options, file, what in (
        (("--report", str(made.path)), made.path, "the report"),
        (("--stale", str(made.path)), made.path, "stale requests"),
        (("--report", report, "--stale", report), report, "stale requests"),
    ):
        said = command("apply", str(made.path), *options, environment=place.environment)
        why = f"cannot write {what} to {file}: the command reads this file"
        assert (said.code, said.err) == (2, f"unenroll: {why}\n")
    assert made.path.read_bytes() == before


def test_the_results_are_printed_as_tables(place: Place) -> None:
    made = planned(place)
    place.load([NEWS.replace("e-R4-1", "news")])
    applied(made.path, "--no-wait", environment=place.environment)
    place.catch_up()
    said = command("apply", str(made.path), environment=place.environment)
    assert said.code == 1
    assert "5 requests: published 0; 5 were decided before." in said.out
    assert "leave-1 of /crm" in said.out
    assert said.err.endswith("unenroll: not all requests were decided as predicted: 1 STALE\n")
