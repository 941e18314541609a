"""What is known of an account, asked for over HTTP: the worked examples of rules.md section 6."""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI, HTTPException

from support.api_process import PAGE, read_client
from support.batch_decisions import decide
from support.databases import cloned_database
from support.events import definition, enrollment_line
from support.files import appended_definition, leave_line, write_file
from support.served_pages import ParsedPage
from support.stories import EXAMPLES, decide_examples, path
from unenroll.api.account_routes import routes
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import RewardAction, RewardState, Rule
from unenroll.demo.compare import outcome_text, standing_text
from unenroll.explain.text import SETTLEMENT_DUE
from unenroll.sandbox.servers import ServerAddresses

NAMES = list(EXAMPLES)


@pytest.fixture(scope="module")
async def examples(servers: ServerAddresses, template: str) -> AsyncIterator[httpx.AsyncClient]:
    """Who reads the examples."""
    async with cloned_database(servers, template) as url:
        await decide_examples(url)
        async with read_client(url) as client:
            yield client


async def data(client: httpx.AsyncClient, where: str) -> dict[str, Any]:
    answer = await client.get(where)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    envelope = answer.json()
    assert list(envelope) == ["data", "errors", "warnings"]
    assert (envelope["errors"], envelope["warnings"]) == (None, None)
    found: dict[str, Any] = envelope["data"]
    return found


def stands(found: dict[str, Any]) -> str:
    action = found["action"] and RewardAction(found["action"])
    return standing_text(RewardState(found["state"]), Rule(found["rule"]), action)


@pytest.mark.parametrize("name", NAMES)
async def test_rewards_and_leaves_of_an_example_stand_as_the_rules_say(examples: httpx.AsyncClient, name: str) -> None:
    explained = await data(examples, f"{path(name)}/explain")
    found = {one["rewardId"]: stands(one) for one in explained["standings"]}
    found |= {one["id"]: outcome_text(Outcome(one["outcome"])) for one in explained["facts"] if one["kind"] == "LEAVE"}
    expected = {one.name: one.expected.result for one in EXAMPLES[name][1].events if one.expected.result}
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_explained_of_an_example_holds_all_that_is_told_of_it(
    examples: httpx.AsyncClient, name: str
) -> None:
    account, explained = await data(examples, path(name)), await data(examples, f"{path(name)}/explain")
    for one in explained["standings"]:
        assert one.pop("sentence")
        del one["missed"]
    del explained["facts"], explained["published"]
    assert account == explained


@pytest.mark.parametrize("name", NAMES)
async def test_the_page_of_an_example_says_why_and_draws_it(examples: httpx.AsyncClient, name: str) -> None:
    explained = await data(examples, f"{path(name)}/explain")
    answer = await examples.get(f"{path(name)}/explain", headers=PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = ParsedPage(answer.text)
    for one in explained["standings"]:
        assert one["sentence"] in page.text
        assert one["missed"] is None or one["missed"] in page.text
    for fact in explained["facts"]:
        assert fact["sentence"] in page.text
    marks = [(mark["href"], mark["aria-label"]) for mark in page.elements("a")]
    assert sorted(marks) == sorted(
        (f"#reward-{number}", " ".join(filter(None, (f"{one['rewardId']}:", one["state"], one["action"]))))
        for number, one in enumerate(explained["standings"], start=1)
    )
    assert {mark["href"][1:] for mark in page.elements("a")} <= {
        one["id"] for one in page.elements("li") if "id" in one
    }
    ended = [spell for spell in explained["spells"] if spell["leave"]]
    assert len([line for line in page.elements("line") if "y1" in line and line.get("class") == "cut"]) == len(
        ended
    ) + bool(ended)  # one in the legend


async def test_a3_as_it_stands(examples: httpx.AsyncClient) -> None:
    account = await data(examples, path("A3"))
    left = {"id": "leave 15 Mar", "source": "/demo", "at": "2026-03-15T00:00:00Z"}
    title = account.pop("targetGroupName")
    standings = {one.pop("rewardId"): one for one in account.pop("standings")}
    assert title.startswith("Milestone ABC")
    assert account == {
        "customerId": 103,
        "targetGroupId": 11,
        "targetId": 21,
        "targetName": "ABC",
        "kind": "MILESTONE",
        "enrollment": "EXPLICIT",
        "due": False,
        "cycles": [
            {
                "first": "c1",
                "last": "c2",
                "count": 2,
                "fate": "TOOK_PART",
                "leftAt": None,
                "start": "2026-01-01T00:00:00Z",
                "end": "2026-03-01T00:00:00Z",
            },
            {
                "first": "c3",
                "last": "c5",
                "count": 3,
                "fate": "FELL",
                "leftAt": "2026-03-15T00:00:00Z",
                "start": "2026-03-01T00:00:00Z",
                "end": "2026-06-01T00:00:00Z",
            },
        ],
        "spells": [
            {
                "number": 1,
                "run": 1,
                "beginning": "FIRST",
                "openedAt": "2026-01-01T00:00:00Z",
                "firstCycle": "c1",
                "initialBalance": None,
                "leave": left,
            }
        ],
    }
    assert standings["R3"] == {
        "periodName": "c3",
        "level": None,
        "allocation": "PERIOD_END",
        "achievedAt": "2026-03-05T00:00:00Z",
        "issuedAt": None,
        "amount": None,
        "unit": None,
        "state": "CANCELLED",
        "action": "VOID",
        "rule": "PERIOD_END_LOST",
        "spell": 1,
        "leave": left,
        "revision": 1,
    }


async def test_an_instant_is_in_utc_whatever_the_server_is_set_to(examples: httpx.AsyncClient) -> None:
    explained = await data(examples, f"{path('A3')}/explain")
    instants = re.findall(r"'(\d{4}-\d\d-\d\dT[^']*)'", str(explained))
    assert len(instants) > 10
    assert all(instant.endswith("Z") for instant in instants)


@pytest.mark.parametrize("where", ["", "/explain"])
async def test_whom_nobody_knows_is_not_found(examples: httpx.AsyncClient, where: str) -> None:
    answer = await examples.get(f"/customers/7/targets/21{where}")
    sentence = "no account found for customer 7 in target 21"
    assert answer.status_code == 404
    assert answer.json() == {"data": None, "errors": [{"code": 404, "message": sentence}], "warnings": None}
    known = await examples.get(f"/customers/103/targets/22{where}")
    assert known.json()["errors"][0]["message"] == "no account found for customer 103 in target 22"


@pytest.mark.parametrize("customer", [0, -5])
async def test_a_customer_that_there_cannot_be_has_the_code_of_the_rules(
    examples: httpx.AsyncClient, customer: int
) -> None:
    answer = await examples.get(f"/customers/{customer}/targets/21")
    assert answer.status_code == 404
    assert answer.json()["errors"] == [{"code": 310011, "message": "There is no customer with this number."}]


async def test_a_page_says_in_words_that_nothing_is_known(examples: httpx.AsyncClient) -> None:
    answer = await examples.get("/customers/7/targets/21/explain", headers=PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "no account found for customer 7 in target 21" in ParsedPage(answer.text).text


@pytest.mark.parametrize("where", [path("A3"), f"{path('A3')}/explain", "/customers/7/targets/21/explain"])
async def test_nobody_between_keeps_an_answer(examples: httpx.AsyncClient, where: str) -> None:
    for headers in ({}, PAGE):
        answer = await examples.get(where, headers=headers)
        assert (answer.headers["cache-control"], answer.headers["vary"]) == ("no-store", "Accept")


async def test_a_page_loads_nothing_runs_nothing_and_may_not(examples: httpx.AsyncClient) -> None:
    answer = await examples.get(f"{path('A3')}/explain", headers=PAGE)
    page = ParsedPage(answer.text)
    (style,) = re.findall(r"<style>(.*)</style>", answer.text, re.DOTALL)
    allowed = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{allowed}'; ")
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "object", "form", "base"})
    assert page.attributes.isdisjoint({"src", "srcset", "style", "action"})
    assert not [name for name in page.attributes if name.startswith("on")]
    assert all(link["href"].startswith("#") for link in page.elements("a"))
    assert "@import" not in style
    assert set(re.findall(r"url\([^)]*\)", style)) == {"url(#hatch)"}


async def test_cycles_that_were_appended_since_are_a_warning(database_url: str, tmp_path: Path) -> None:
    await write_file(tmp_path, [definition(), enrollment_line(8)]).load(database_url)
    await decide(database_url, leave_line(8, at="2026-06-02T00:00:00Z"))
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "update target_groups set version = 2, definition = $1", json.dumps(appended_definition(2))
    )
    await connection.close()
    async with read_client(database_url) as client:
        answer = (await client.get("/customers/8/targets/21")).json()
        page = ParsedPage((await client.get("/customers/8/targets/21/explain", headers=PAGE)).text)
    assert answer["warnings"] == [{"code": 200, "message": SETTLEMENT_DUE}]
    assert answer["data"]["due"]
    assert SETTLEMENT_DUE in page.text


async def test_who_may_not_read_reads_nothing() -> None:
    def nobody() -> None:
        raise HTTPException(401, "who is it?")

    app = FastAPI()
    app.include_router(routes(pool=lambda: None, reader=nobody))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.example") as client:
        for where in ("/customers/7/targets/21", "/customers/7/targets/21/explain"):
            assert (await client.get(where)).status_code == 401
