"""Decisions verified, with the real command: silence where all is well, and each drift that is planted is found."""

import json
from pathlib import Path
from typing import Any

import pytest

from stage.again import everything, replay
from stage.events import definition, enrolled, leaves, three_rewards
from stage.files import Said, appended, command, tables
from stage.place import Place

LEFT = 101


def ask(place: Place, *arguments: str) -> Said:
    return command("verify", *arguments, environment={"UNENROLL_DATABASE_URL": place.database_url})


def found(place: Place, *arguments: str, code: int = 0) -> dict[str, Any]:
    said = ask(place, "--json", *arguments)
    assert said.code == code, said
    told: dict[str, Any] = json.loads(said.out)
    return told


@pytest.fixture
async def settled(place: Place) -> Place:
    """Customers that left, one of them twice, one late; one who came back; one who is in; one who never was."""
    everything(place, range(LEFT, LEFT + 5))
    place.load([*three_rewards(201), *three_rewards(202), enrolled(203), *three_rewards(204)])
    place.request([leaves(201), leaves(202), leaves(301)])
    place.catch_up()
    place.tell([json.dumps({"time": "2026-03-20T00:00:00Z", **json.loads(again(202))})])
    place.request([leaves(201, at="2026-02-05T00:00:00Z", event_id="late-201"), leaves(202, event_id="twice-202")])
    place.catch_up()
    return place


def again(customer: int) -> str:
    return enrolled(customer, "2026-03-15T00:01:00Z", event_id="again", periodName="c3")


@pytest.mark.parametrize("options", [(), ("--published",)])
async def test_what_was_decided_is_as_it_follows_from_the_facts(settled: Place, options: tuple[str, ...]) -> None:
    before = await tables(settled.database_url)
    told = found(settled, *options)
    assert (told["accounts"], told["drifted"], told["due"], told["told"]) == (10, 0, 0, [])
    assert await tables(settled.database_url) == before


def edited(old: str, new: str) -> str:
    return f"update accounts set facts = replace(facts, '{old}', '{new}') where customer_id = {LEFT}"


SETTLEMENT, LEDGER, ACCOUNT = "settlement", "ledger", "account"
DRIFTS = {
    "the outcome of a leave": (edited('["UNENROLLED",3]', '["UNENROLLED",4]'), {SETTLEMENT}),
    "the standing of a reward": (edited('["CANCELLED","PERIOD_END_LOST","VOID"', '["KEPT","ENROLLED",null'), {SETTLEMENT}),
    "the state alone": (edited('["CANCELLED","PERIOD_END_LOST"', '["KEPT","PERIOD_END_LOST"'), {SETTLEMENT}),
    "the revision of a reward": (edited('"PERIOD_END_LOST","VOID",1', '"PERIOD_END_LOST","VOID",0'), {SETTLEMENT}),
    "the time of a leave": (edited("2026-03-15T00:00:00Z", "2026-03-16T00:00:00Z"), {LEDGER}),
    "the time of an enrollment": (edited("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), {LEDGER}),
    "the value of a reward": (edited("250.50", "250.51"), {LEDGER}),
    "a cycle that is not there": (edited('"R3-101",3', '"R3-101",99'), {SETTLEMENT, LEDGER}),
    "whether it waits": (f"update accounts set waits = true where customer_id = {LEFT}", {SETTLEMENT}),
    "a text that is none": (f"update accounts set facts = '[1' where customer_id = {LEFT}", {ACCOUNT}),
    "an account that is gone": (f"delete from accounts where customer_id = {LEFT}", {ACCOUNT}),
    "the number of decisions": (f"update accounts set decisions = 9 where customer_id = {LEFT}", {LEDGER}),
    "a decision that is gone": (f"delete from ledger where customer_id = {LEFT} and decision = 2", {LEDGER}),
    "a first answer": (f"update ledger set outcome = 'GROUP_NOT_FOUND' where outcome = 'UNENROLLED' and customer_id = {LEFT}", {LEDGER}),
    "a target that nobody defines": ("delete from targets where target_id = 21", {ACCOUNT}),
}


@pytest.mark.parametrize("drift", DRIFTS)
async def test_a_drift_that_is_planted_is_found(settled: Place, drift: str) -> None:
    plant, held = DRIFTS[drift]
    await settled.execute(plant)
    told = found(settled, code=1)
    assert set(told["differences"]) == held, told
    assert {one["customer_id"] for one in told["told"]} >= {LEFT}
    if "accounts set" in plant or "ledger" in plant:
        assert (told["drifted"], {one["customer_id"] for one in told["told"]}) == (1, {LEFT})
