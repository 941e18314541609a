"""`erase` deletes a customer from all tables; nothing that is read again brings the customer back or harms others."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.api_process import ENROLL, Reply, opened
from support.events import leaves, three_rewards
from support.files import command, event, leave, tables, written
from support.killed_commands import killed_erase
from support.place import Place, answers
from support.topics import Put, Seen
from support.workers import doomed, run
from unenroll.postgres.outbox import unpack

GONE = 423789336
OTHERS = range(951, 957)
SECRET = b"Ada Lovelace"


def erase(place: Place, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
    said = command("erase", f"--customer={GONE}", "--json", *arguments, environment=place.environment)
    assert said.code == code, said
    return json.loads(said.out) if said.out else said.err


def everybody_leaves(place: Place) -> None:
    """Everybody leaves on one partition, so that batches hold messages of several customers; some records are bad."""
    customers = (*OTHERS, GONE)
    place.load(line for customer in customers for line in three_rewards(customer))
    place.tell(back(customer, "2026-01-02T00:00:00Z") for customer in customers)
    place.request(Put(**{**vars(leaves(customer, reason=SECRET.decode())), "partition": 1}) for customer in customers)
    place.request(
        unreadable(GONE),
    )
    place.request(unreadable(7))
    place.catch_up()


def back(customer: int, at: str) -> str:
    """A line for `publish`: the customer takes part again."""
    data = {"customerId": customer, "targetGroupId": 11, "targetId": 21, "enrolledAt": at}
    return event("CustomerEnrolled", f"back-{customer}", time=at, **data)


def unreadable(customer: int) -> list[Put]:
    """A record that is not JSON, and one that names the customer only in its value."""
    headers = leaves(customer, event_id=f"bad-{customer}").headers
    named = json.dumps({"customerId": customer, "targetGroupId": 11, "targetId": "Lovelace"}).encode()
    return [
        Put(key=b"%d" % customer, value=b"{" + SECRET, headers=headers, partition=1),
        Put(value=named, headers=leaves(customer, event_id=f"named-{customer}").headers, partition=1),
    ]


def of_gone(found: list[Seen]) -> list[Seen]:
    return [one for one in found if one.key == b"%d" % GONE or b"%d" % GONE in (one.value or b"")]


async def rows_about_customer(place: Place) -> list[str]:
    """All rows that name the customer, and all stored messages about them."""
    rows = await tables(place.database_url)
    kept = await place.rows("select lane_id, last_sequence, outputs from publications")
    messages = [message for row in kept for message in unpack(row["outputs"])]
    return [
        *(f"{name}: {row}" for name, some in rows.items() for row in some if str(GONE) in row),
        *(f"{message}" for message in messages if str(GONE).encode() in bytes(str(message), "utf-8")),
    ]


async def of_others(place: Place) -> dict[str, Any]:
    found = await tables(place.database_url)
    names = ("accounts", "ledger", "enrollments", "leaves", "rewards")
    kept = await place.rows("select outputs from publications order by lane_id, last_sequence")
    messages = [message for row in kept for message in unpack(row["outputs"])]
    return {
        **{name: [row for row in found[name] if str(GONE) not in row] for name in names},
        "messages": [message for message in messages if str(GONE).encode() not in bytes(str(message), "utf-8")],
    }


def counts(place: Place) -> Any:  # noqa: ANN401 - JSON
    told = json.loads(command("status", "--json", environment=place.environment).out)
    return {name: told[name] for name in ("requests", "facts", "dead_letters")}, [
        lane["sequence"] for lane in told["lanes"]
    ]


def read_all_again(place: Place) -> str:
    run("offsets", "set", "--to", "earliest", "--why", "a test", environment=place.environment)
    return place.catch_up()


async def test_only_the_customer_id_is_left_and_nothing_read_again_brings_the_rest_back(place: Place) -> None:
    everybody_leaves(place)
    file = written(place.folder, three_rewards(GONE), "again.ndjson").path
    visible, kept, counted = place.seen(), await of_others(place), counts(place)
    preview = erase(place, "--dry-run")
    assert (await of_others(place), counts(place)) == (kept, counted)
    done = erase(place)
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
    (left,) = await rows_about_customer(place)
    assert left.startswith("erased_customers: ")
    assert [row["reason"] for row in await place.rows("select reason from dead_letters")] == ["not_json", "schema"]
    assert (await of_others(place), counts(place)) == (kept, counted)

    assert '"erased": ' in read_all_again(place)
    run("load", str(file), environment=place.environment)
    replayed = json.loads(command("replay", "--from-topics", "--json", environment=place.environment).out)
    assert (replayed["missing"], replayed["erased"]) == (0, 4)
    run("replay", "--mode", "re-emit", environment=place.environment)
    assert await rows_about_customer(place) == [left]
    assert of_gone(place.seen()) == of_gone(visible)
    assert await of_others(place) == kept
    assert counts(place) == counted
    run("verify", "--published", environment=place.environment)
    assert "was erased on request" in command("explain", f"--customer={GONE}", environment=place.environment).err


@pytest.mark.parametrize(
    "moment",
    [
        "after rewrite",
        *(pytest.param(one, marks=pytest.mark.thorough) for one in ("before record", "after record", "before sweep")),
    ],
)
async def test_an_erasure_that_was_killed_is_finished_by_the_next(place: Place, moment: str) -> None:
    everybody_leaves(place)
    kept, counted = await of_others(place), counts(place)
    with killed_erase(moment, GONE, environment=place.environment) as killed:
        assert killed.wait() == -9, killed.output()
    erase(place)
    (left,) = await rows_about_customer(place)
    assert left.startswith("erased_customers: ")
    assert (await of_others(place), counts(place)) == (kept, counted)


async def test_unpublished_messages_are_published_before_they_are_erased(place: Place) -> None:
    place.load(three_rewards(GONE))
    place.request([leaves(GONE)])
    with doomed("decided", "run", "--until-caught-up", environment=place.environment) as killed:
        assert killed.wait() == -9, killed.output()
    assert (
        "not published yet" in command("erase", f"--customer={GONE}", "--patience=0", environment=place.environment).err
    )
    assert place.seen() == []
    place.catch_up()
    assert answers(place.seen()) == {f"leave-{GONE}": ["unenroll.UserUnenrolled.v1"]}
    assert erase(place)["unpublished"] == 0
    assert len(await rows_about_customer(place)) == 1


async def test_a_customer_who_comes_back_later_starts_anew(place: Place) -> None:
    everybody_leaves(place)
    later = datetime.fromisoformat(erase(place)["until"]) + timedelta(seconds=1)
    place.tell([back(GONE, later.isoformat()), back(GONE, "2026-02-01T00:00:00Z")])
    place.request([leaves(GONE, later.isoformat(), event_id="leaves-again")])
    read_all_again(place)
    assert answers(place.seen())["leaves-again"] == ["unenroll.UnenrollRejected.v1"]
    (account,) = await place.rows(f"select facts::json as facts from accounts where customer_id = {GONE}")  # noqa: S608
    _, _, enrollments, asked, rewards, *_ = json.loads(account["facts"])
    assert (len(enrollments), len(asked), rewards) == (1, 1, [])
    assert erase(place)["rows"]["ledger"] == 2
    read_all_again(place)
    assert len(await rows_about_customer(place)) == 1


def test_dead_letters_and_plans_do_not_bring_anybody_back(place: Place) -> None:
    place.tell([event("CustomerEnrolled", "early", targetGroupId=99, targetId=98, enrolledAt="2026-01-01T00:00:00Z")])
    place.catch_up()
    erase(place)
    redriven = json.loads(command("dlq", "redrive", "--json", environment=place.environment).out)
    assert (redriven["put_back"], redriven["skipped"]) == (0, {"customer_erased": 1})
    file = written(place.folder, [leave(GONE)]).path
    planned = command("plan", str(file), environment=place.environment)
    assert (planned.code, "customer_erased" in planned.err) == (1, True), planned


def is_refused(reply: Reply, *, until: str) -> bool:
    """Whether the answer says that the customer was erased, and until when."""
    (error,) = reply.json["errors"]
    return (reply.status, error["code"]) == (409, 409) and f"up to {until} are not accepted" in error["message"]


async def test_a_call_about_the_time_before_an_erasure_is_refused_and_not_stored(place: Place) -> None:
    until = erase(place)["until"]
    before = {"customerId": GONE, "effectiveAt": "2026-02-01T00:00:00Z"}
    with opened(place) as api:
        refused = [api.post(ENROLL, before, key="twice", who="clerk") for _ in range(2)]
        taken = api.leave(GONE)
    assert all(is_refused(reply, until=until) for reply in refused)
    assert taken.status == 202
    assert len(await place.rows("select from api_requests")) == 1
    assert len(place.seen("facts", "requests")) == 1


async def test_a_call_that_was_stored_before_an_erasure_is_refused_afterwards_and_not_sent_again(place: Place) -> None:
    with opened(place, UNENROLL_API_WAIT_MS="0") as api:
        kept = api.leave(GONE)
        assert kept.status == 202
        await place.execute(
            f"insert into erased_customers values ({GONE}, now(), '2100-01-01T00:00:00Z')"  # noqa: S608 - a number
        )
        asked = api.get(kept.headers["location"])
        new = api.leave(GONE)
    assert is_refused(asked, until="2100-01-01T00:00:00Z")
    assert is_refused(new, until="2100-01-01T00:00:00Z")
    again = command("resend-calls", "--older-than=0", "--json", environment=place.environment)
    assert json.loads(again.out)["calls"] == 0
