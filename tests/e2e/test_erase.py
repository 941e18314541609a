"""`erase` deletes a customer from all tables; nothing that is read again brings the customer back or harms others."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.api_process import ENROLL, Reply, running_api
from support.deployment import Deployment, first_answers
from support.events import leave_record, three_rewards
from support.files import command, event_line, leave_line, tables, write_file
from support.killed_commands import killed_erase
from support.topics import ConsumedRecord, NewRecord
from support.workers import command_that_kills_itself, run_command
from unenroll.postgres.outbox import unpack

GONE = 423789336
OTHERS = range(951, 957)
SECRET = b"Ada Lovelace"


def erase(deployment: Deployment, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
    result = command("erase", f"--customer={GONE}", "--json", *arguments, environment=deployment.environment)
    assert result.code == code, result
    return json.loads(result.out) if result.out else result.err


def everybody_leaves(deployment: Deployment) -> None:
    """Everybody leaves on one partition, so that batches hold messages of several customers; some records are bad."""
    customers = (*OTHERS, GONE)
    deployment.load(line for customer in customers for line in three_rewards(customer))
    deployment.publish(back(customer, "2026-01-02T00:00:00Z") for customer in customers)
    deployment.request(
        NewRecord(**{**vars(leave_record(customer, reason=SECRET.decode())), "partition": 1}) for customer in customers
    )
    deployment.request(
        unreadable(GONE),
    )
    deployment.request(unreadable(7))
    deployment.catch_up()


def back(customer: int, at: str) -> str:
    """A line for `publish`: the customer takes part again."""
    data = {"customerId": customer, "targetGroupId": 11, "targetId": 21, "enrolledAt": at}
    return event_line("CustomerEnrolled", f"back-{customer}", time=at, **data)


def unreadable(customer: int) -> list[NewRecord]:
    """A record that is not JSON, and one that names the customer only in its value."""
    headers = leave_record(customer, event_id=f"bad-{customer}").headers
    named = json.dumps({"customerId": customer, "targetGroupId": 11, "targetId": "Lovelace"}).encode()
    return [
        NewRecord(key=b"%d" % customer, value=b"{" + SECRET, headers=headers, partition=1),
        NewRecord(value=named, headers=leave_record(customer, event_id=f"named-{customer}").headers, partition=1),
    ]


def of_gone(found: list[ConsumedRecord]) -> list[ConsumedRecord]:
    return [one for one in found if one.key == b"%d" % GONE or b"%d" % GONE in (one.value or b"")]


async def rows_about_customer(deployment: Deployment) -> list[str]:
    """All rows that name the customer, and all stored messages about them."""
    rows = await tables(deployment.database_url)
    kept = await deployment.rows("select lane_id, last_sequence, outputs from publications")
    messages = [message for row in kept for message in unpack(row["outputs"])]
    return [
        *(f"{name}: {row}" for name, some in rows.items() for row in some if str(GONE) in row),
        *(f"{message}" for message in messages if str(GONE).encode() in bytes(str(message), "utf-8")),
    ]


async def of_others(deployment: Deployment) -> dict[str, Any]:
    found = await tables(deployment.database_url)
    names = ("accounts", "ledger", "enrollments", "leaves", "rewards")
    kept = await deployment.rows("select outputs from publications order by lane_id, last_sequence")
    messages = [message for row in kept for message in unpack(row["outputs"])]
    return {
        **{name: [row for row in found[name] if str(GONE) not in row] for name in names},
        "messages": [message for message in messages if str(GONE).encode() not in bytes(str(message), "utf-8")],
    }


def counts(deployment: Deployment) -> Any:  # noqa: ANN401 - JSON
    report = json.loads(command("status", "--json", environment=deployment.environment).out)
    return {name: report[name] for name in ("requests", "facts", "dead_letters")}, [
        lane["sequence"] for lane in report["lanes"]
    ]


def read_all_again(deployment: Deployment) -> str:
    run_command("offsets", "set", "--to", "earliest", "--why", "a test", environment=deployment.environment)
    return deployment.catch_up()


async def test_only_the_customer_id_is_left_and_nothing_read_again_brings_the_rest_back(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    file = write_file(deployment.folder, three_rewards(GONE), "again.ndjson").path
    visible, kept, counted = deployment.consume(), await of_others(deployment), counts(deployment)
    preview = erase(deployment, "--dry-run")
    assert (await of_others(deployment), counts(deployment)) == (kept, counted)
    done = erase(deployment)
    assert {**preview, "dry_run": False, "until": done["until"]} == done
    assert done["rows"] == {
        "accounts": 1,
        "ledger": 6,
        "api_requests": 0,
        "replays": 0,
        "publications": done["rows"]["publications"],
        "dead_letters": 2,
        "handled_letters": 0,
    }
    assert done["messages"] == len(of_gone(visible))
    (left,) = await rows_about_customer(deployment)
    assert left.startswith("erased_customers: ")
    assert [row["reason"] for row in await deployment.rows("select reason from dead_letters")] == ["not_json", "schema"]
    assert (await of_others(deployment), counts(deployment)) == (kept, counted)

    assert '"erased": ' in read_all_again(deployment)
    run_command("load", str(file), environment=deployment.environment)
    replayed = json.loads(command("replay", "--from-topics", "--json", environment=deployment.environment).out)
    assert (replayed["missing"], replayed["erased"]) == (0, 4)
    run_command("replay", "--mode", "re-emit", environment=deployment.environment)
    assert await rows_about_customer(deployment) == [left]
    assert of_gone(deployment.consume()) == of_gone(visible)
    assert await of_others(deployment) == kept
    assert counts(deployment) == counted
    run_command("verify", "--published", environment=deployment.environment)
    assert "was erased on request" in command("explain", f"--customer={GONE}", environment=deployment.environment).err


@pytest.mark.parametrize(
    "moment",
    [
        "after rewrite",
        *(pytest.param(one, marks=pytest.mark.thorough) for one in ("before record", "after record", "before sweep")),
    ],
)
async def test_an_erasure_that_was_killed_is_finished_by_the_next(deployment: Deployment, moment: str) -> None:
    everybody_leaves(deployment)
    kept, counted = await of_others(deployment), counts(deployment)
    with killed_erase(moment, GONE, environment=deployment.environment) as killed:
        assert killed.wait() == -9, killed.output()
    erase(deployment)
    (left,) = await rows_about_customer(deployment)
    assert left.startswith("erased_customers: ")
    assert (await of_others(deployment), counts(deployment)) == (kept, counted)


async def test_unpublished_messages_are_published_before_they_are_erased(deployment: Deployment) -> None:
    deployment.load(three_rewards(GONE))
    deployment.request([leave_record(GONE)])
    with command_that_kills_itself("decided", "run", "--until-caught-up", environment=deployment.environment) as killed:
        assert killed.wait() == -9, killed.output()
    assert (
        "not published yet"
        in command("erase", f"--customer={GONE}", "--patience=0", environment=deployment.environment).err
    )
    assert deployment.consume() == []
    deployment.catch_up()
    assert first_answers(deployment.consume()) == {f"leave-{GONE}": ["unenroll.UserUnenrolled.v1"]}
    assert erase(deployment)["unpublished"] == 0
    assert len(await rows_about_customer(deployment)) == 1


async def test_a_customer_who_comes_back_later_starts_anew(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    later = datetime.fromisoformat(erase(deployment)["until"]) + timedelta(seconds=1)
    deployment.publish([back(GONE, later.isoformat()), back(GONE, "2026-02-01T00:00:00Z")])
    deployment.request([leave_record(GONE, later.isoformat(), event_id="leaves-again")])
    read_all_again(deployment)
    assert first_answers(deployment.consume())["leaves-again"] == ["unenroll.UnenrollRejected.v1"]
    (account,) = await deployment.rows(f"select facts::json as facts from accounts where customer_id = {GONE}")  # noqa: S608
    _, _, enrollments, asked, rewards, *_ = json.loads(account["facts"])
    assert (len(enrollments), len(asked), rewards) == (1, 1, [])
    assert erase(deployment)["rows"]["ledger"] == 2
    read_all_again(deployment)
    assert len(await rows_about_customer(deployment)) == 1


def test_dead_letters_and_plans_do_not_bring_anybody_back(deployment: Deployment) -> None:
    deployment.publish(
        [event_line("CustomerEnrolled", "early", targetGroupId=99, targetId=98, enrolledAt="2026-01-01T00:00:00Z")]
    )
    deployment.catch_up()
    erase(deployment)
    redriven = json.loads(command("dlq", "redrive", "--json", environment=deployment.environment).out)
    assert (redriven["put_back"], redriven["skipped"]) == (0, {"customer_erased": 1})
    file = write_file(deployment.folder, [leave_line(GONE)]).path
    planned = command("plan", str(file), environment=deployment.environment)
    assert (planned.code, "customer_erased" in planned.err) == (1, True), planned


def is_refused(reply: Reply, *, until: str) -> bool:
    """Whether the answer says that the customer was erased, and until when."""
    (error,) = reply.json["errors"]
    return (reply.status, error["code"]) == (409, 409) and f"up to {until} are not accepted" in error["message"]


async def test_a_call_about_the_time_before_an_erasure_is_refused_and_not_stored(deployment: Deployment) -> None:
    until = erase(deployment)["until"]
    before = {"customerId": GONE, "effectiveAt": "2026-02-01T00:00:00Z"}
    with running_api(deployment) as api:
        refused = [api.post(ENROLL, before, key="twice", who="clerk") for _ in range(2)]
        taken = api.leave(GONE)
    assert all(is_refused(reply, until=until) for reply in refused)
    assert taken.status == 202
    assert len(await deployment.rows("select from api_requests")) == 1
    assert len(deployment.consume("facts", "requests")) == 1


async def test_a_call_that_was_stored_before_an_erasure_is_refused_afterwards_and_not_sent_again(
    deployment: Deployment,
) -> None:
    with running_api(deployment, UNENROLL_API_WAIT_MS="0") as api:
        kept = api.leave(GONE)
        assert kept.status == 202
        await deployment.execute(
            f"insert into erased_customers values ({GONE}, now(), '2100-01-01T00:00:00Z')"  # noqa: S608 - a number
        )
        asked = api.get(kept.headers["location"])
        new = api.leave(GONE)
    assert is_refused(asked, until="2100-01-01T00:00:00Z")
    assert is_refused(new, until="2100-01-01T00:00:00Z")
    again = command("resend-calls", "--older-than=0", "--json", environment=deployment.environment)
    assert json.loads(again.out)["calls"] == 0
