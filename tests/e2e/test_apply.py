"""`apply` publishes a plan: lanes decide what was predicted, or nothing."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.commands import PlanFile, apply_plan, plan, requests
from support.databases import cloned_database
from support.deployment import Deployment
from support.events import definition, enrollment_line, reward_line, three_rewards
from support.files import appended_definition, command, event_line, tables
from support.killed_commands import killed_sender
from support.workers import running_command
from unenroll.sandbox.servers import ServerAddresses
from waiting import until

ABC_OF_1 = {"customerId": 1, "targetGroupId": 11, "targetId": 21}
EARLIER = event_line("UnenrollRequested", "earlier", time="2026-02-05T00:00:00Z", **ABC_OF_1)
NEWS = reward_line(1, "R4-1", "c3", at="2026-03-06T00:00:00Z")
AS_PREDICTED = {"AS_PREDICTED": 0, "STALE": 0, "DIFFERENT": 0, "UNDECIDED": 0}


def planned(deployment: Deployment, *more: str) -> PlanFile:
    """Customers 1 to 4 leave, and 9, whom nobody knows."""
    deployment.load(line for customer in range(1, 5) for line in three_rewards(customer))
    return plan(deployment.folder, [*requests(1, 2, 3, 4, 9), *more], environment=deployment.environment)


def published(deployment: Deployment) -> dict[str, tuple[str, Any]]:
    """By id: the events that are visible. None is there twice."""
    found = deployment.consume()
    events = {
        str(record.header("ce_id")): (str(record.header("ce_type")).split(".")[1], record.data) for record in found
    }
    assert len(events) == len(found)
    return events


@contextmanager
def worker(deployment: Deployment) -> Iterator[None]:
    """The real worker, while the block runs."""
    with running_command("run", environment=deployment.environment) as command:
        yield
        command.send_signal(signal.SIGTERM)
        assert command.wait() == 0


async def test_what_is_decided_is_what_was_predicted_and_a_repeated_apply_changes_nothing(
    deployment: Deployment,
) -> None:
    made = planned(deployment, EARLIER)
    with worker(deployment):
        done = apply_plan(made.path, environment=deployment.environment)
        assert (done["published"], done["answered_before"]) == (6, 0)
        assert done["results"] == AS_PREDICTED | {"AS_PREDICTED": 6}
    assert published(deployment) == made.events()
    before = await tables(deployment.database_url)
    again = apply_plan(made.path, environment=deployment.environment)
    assert (again["published"], again["results"]) == (0, done["results"])
    assert await tables(deployment.database_url) == before
    assert published(deployment) == made.events()


async def test_what_moved_since_is_stale_is_named_and_loses_nothing(deployment: Deployment) -> None:
    made = planned(deployment, EARLIER)
    deployment.load([NEWS.replace("e-R4-1", "news")])
    report = deployment.folder / "report.ndjson"
    with worker(deployment):
        options = ("--report", str(report), "--stale", str(deployment.folder / "stale.ndjson"))
        done = apply_plan(made.path, *options, environment=deployment.environment, code=1)
    assert done["results"] == AS_PREDICTED | {"AS_PREDICTED": 4, "STALE": 2}
    assert [(one["result"], one["customer_id"], one["id"]) for one in done["named"]] == [
        ("STALE", 1, "leave-1"),
        ("STALE", 1, "earlier"),
    ]
    verdicts = [json.loads(line) for line in report.read_text().splitlines()]
    assert [one["result"] for one in verdicts] == ["STALE", *["AS_PREDICTED"] * 4, "STALE"]
    of_1 = [record for record in deployment.consume() if record.key == b"1"]
    assert [(record.topic.removeprefix(deployment.prefix), record.data["outcome"]) for record in of_1] == [
        *[("rejections", "PLAN_STALE")] * 2
    ]
    rows = await deployment.rows(
        "select outcome::text, decision from ledger where customer_id = 1 and outcome is not null"
    )
    assert rows == [{"outcome": "PLAN_STALE", "decision": None}] * 2
    again = plan(
        deployment.folder,
        (deployment.folder / "stale.ndjson").read_text().splitlines(),
        environment=deployment.environment,
    )
    assert again.predicted() == ["UNENROLLED", "UNENROLLED"]
    with worker(deployment):
        assert apply_plan(again.path, environment=deployment.environment)["results"] == AS_PREDICTED | {
            "AS_PREDICTED": 2
        }


def test_an_apply_that_is_killed_is_finished_by_the_next_one(deployment: Deployment) -> None:
    made = planned(deployment)
    with killed_sender("apply", str(made.path), "--no-wait", environment=deployment.environment) as command:
        assert command.wait() == -signal.SIGKILL
    with worker(deployment):
        done = apply_plan(made.path, environment=deployment.environment)
    assert done["results"] == AS_PREDICTED | {"AS_PREDICTED": 5}
    assert published(deployment) == made.events()


async def test_two_at_once_do_not_apply_the_same_plan(deployment: Deployment) -> None:
    made = planned(deployment)
    with running_command("apply", str(made.path), "--patience", "600", environment=deployment.environment) as first:
        await until(partial(locked, deployment))
        second = command("apply", str(made.path), environment=deployment.environment)
        assert second.code == 1
        assert second.err == "unenroll: another process is applying this plan: wait until it ends, then try again\n"
        first.send_signal(signal.SIGKILL)
        first.wait()
    with worker(deployment):
        assert apply_plan(made.path, environment=deployment.environment)["answered_before"] in range(6)
    assert published(deployment) == made.events()


async def locked(deployment: Deployment) -> bool:
    """Whether somebody has an advisory lock in the database."""
    return bool(await deployment.rows("select from pg_locks where locktype = 'advisory' and database = (" + OWN + ")"))


OWN = "select oid from pg_database where datname = current_database()"


def test_apply_stops_waiting_and_counts_the_undecided_requests(deployment: Deployment) -> None:
    made = planned(deployment)
    done = apply_plan(made.path, "--patience", "1", environment=deployment.environment, code=1)
    assert done["results"] == AS_PREDICTED | {"UNDECIDED": 5}


@pytest.mark.thorough
def test_no_wait_publishes_only(deployment: Deployment) -> None:
    made = planned(deployment)
    done = apply_plan(made.path, "--no-wait", environment=deployment.environment)
    assert (done["published"], done["results"]) == (5, None)
    deployment.catch_up()
    assert apply_plan(made.path, environment=deployment.environment)["results"] == AS_PREDICTED | {"AS_PREDICTED": 5}


@pytest.mark.thorough
def test_requests_that_were_published_without_the_plan_meanwhile_are_not_decided_again(deployment: Deployment) -> None:
    made = planned(deployment)
    deployment.publish(requests(2))
    deployment.catch_up()
    with worker(deployment):
        done = apply_plan(made.path, environment=deployment.environment)
    assert (done["published"], done["answered_before"]) == (4, 1)
    assert done["results"] == AS_PREDICTED | {"AS_PREDICTED": 5}


async def test_a_decision_that_differs_from_the_plan_is_reported(deployment: Deployment) -> None:
    made = planned(deployment)
    deployment.load([NEWS.replace("e-R4-1", "news")])
    deployment.publish(requests(1))
    deployment.catch_up()
    with worker(deployment):
        done = apply_plan(made.path, environment=deployment.environment, code=1)
    (named,) = done["named"]
    assert (named["result"], named["customer_id"]) == ("DIFFERENT", 1)
    assert "decision 6 on the account instead of 5" in named["why"]
    assert any("RewardCancelled" in why and "was not predicted" in why for why in named["why"])


async def test_a_new_definition_of_a_group_invalidates_a_plan(deployment: Deployment) -> None:
    made = planned(deployment)
    deployment.load([definition(appended_definition(2))])
    refused(deployment, made.path, "target group 11 got a new definition after the plan was made; plan again")


async def test_a_plan_of_another_database_is_refused(
    deployment: Deployment, servers: ServerAddresses, template: str
) -> None:
    made = planned(deployment)
    async with cloned_database(servers, template) as url:
        elsewhere = deployment.environment | {"UNENROLL_DATABASE_URL": url}
        result = command("apply", str(made.path), environment=elsewhere)
    assert (result.code, result.err) == (
        1,
        "unenroll: the plan was made from another database; plan again from this one\n",
    )


@pytest.mark.thorough
def test_a_plan_is_not_applied_to_topics_that_workers_of_its_database_do_not_read(deployment: Deployment) -> None:
    made = planned(deployment)
    deployment.catch_up()
    deployment.recreate_topic("requests")
    name = f"{deployment.prefix}requests"
    refused(
        deployment,
        made.path,
        f"no worker of this database has read topic {name}; check UNENROLL_KAFKA_BOOTSTRAP_SERVERS",
    )


def refused(deployment: Deployment, path: Path, why: str) -> None:
    """The plan is refused for this reason, and nothing of it is published."""
    result = command("apply", str(path), environment=deployment.environment)
    assert (result.code, result.err) == (1, f"unenroll: {why}\n")
    assert deployment.consume("requests") == []


def test_a_file_that_was_changed_is_refused(deployment: Deployment) -> None:
    made = planned(deployment)
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
        refused(deployment, made.path, changed)
    made.path.write_bytes(b"".join([first, *lines[:3]]))
    refused(deployment, made.path, f"{made.path} is truncated: it has 3 of 5 requests; plan again")
    for kind in (b"", b"\x1f\x8b\x08", enrollment_line(1).encode(), b"\xff", lines[0], first[:100]):
        made.path.write_bytes(kind)
        refused(deployment, made.path, f"{made.path} is not a plan that `unenroll plan` wrote")
    made.path.write_bytes(first.replace(b"unenroll plan 1", b"unenroll plan 9"))
    refused(
        deployment,
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
def test_wrong_arguments_are_said_in_one_line(nowhere: Deployment, arguments: tuple[str, ...], why: str) -> None:
    result = command("apply", *arguments, environment=nowhere.environment)
    assert result.code == 2
    assert result.err.startswith(f"unenroll: {why}")


def test_a_report_never_overwrites_what_is_read(deployment: Deployment) -> None:
    made = planned(deployment)
    before = made.path.read_bytes()
    report = str(deployment.folder / "report")
    for options, file, what in (
        (("--report", str(made.path)), made.path, "the report"),
        (("--stale", str(made.path)), made.path, "stale requests"),
        (("--report", report, "--stale", report), report, "stale requests"),
    ):
        result = command("apply", str(made.path), *options, environment=deployment.environment)
        why = f"cannot write {what} to {file}: the command reads this file"
        assert (result.code, result.err) == (2, f"unenroll: {why}\n")
    assert made.path.read_bytes() == before


def test_the_results_are_printed_as_tables(deployment: Deployment) -> None:
    made = planned(deployment)
    deployment.load([NEWS.replace("e-R4-1", "news")])
    apply_plan(made.path, "--no-wait", environment=deployment.environment)
    deployment.catch_up()
    result = command("apply", str(made.path), environment=deployment.environment)
    assert result.code == 1
    assert "5 requests: published 0; 5 were decided before." in result.out
    assert "leave-1 of /crm" in result.out
    assert result.err.endswith("unenroll: not all requests were decided as predicted: 1 STALE\n")
