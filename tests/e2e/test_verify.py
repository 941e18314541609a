"""`unenroll verify` finds no difference in what was decided, and every difference that a test plants."""

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from support.commands import publish_everything
from support.databases import cloned_database
from support.deployment import Deployment, deploy, group_of
from support.events import enrollment_line, leave_record, three_rewards
from support.files import CommandResult, appended_definition, command, tables
from unenroll.core.definitions import AcceptedDefinition
from unenroll.postgres import audit
from unenroll.postgres.definitions import define
from unenroll.postgres.pool import open_pool
from unenroll.sandbox.servers import ServerAddresses

ACCOUNTS = 10
ACCOUNT, SETTLEMENT, LEDGER, PUBLISHED = "account", "settlement", "ledger", "published"


@pytest.fixture(scope="module")
async def decided(
    servers: ServerAddresses, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    """Decide leaves: in time, late, twice, too late, after a return, and of a customer who was never enrolled."""
    async with cloned_database(servers, template) as url:
        prefix = f"t{secrets.token_hex(4)}."
        folder = tmp_path_factory.mktemp("decided")
        deployment = await deploy(Deployment(kafka=servers.kafka, database_url=url, prefix=prefix, folder=folder))
        publish_everything(deployment, range(101, 106))
        deployment.load([*three_rewards(201), *three_rewards(202), enrollment_line(203), *three_rewards(204)])
        deployment.request(
            [leave_record(201), leave_record(202), leave_record(204, at="2026-06-10T00:00:00Z"), leave_record(301)]
        )
        deployment.catch_up()
        again = enrollment_line(202, "2026-03-15T00:01:00Z", event_id="again", periodName="c3")
        deployment.publish([json.dumps({"time": "2026-03-20T00:00:00Z", **json.loads(again)})])
        deployment.request(
            [leave_record(201, at="2026-02-05T00:00:00Z", event_id="late-201"), leave_record(202, event_id="twice-202")]
        )
        deployment.catch_up()
        yield deployment


@pytest.fixture
async def database_url(servers: ServerAddresses, decided: Deployment) -> AsyncIterator[str]:
    """A copy of the decided database that a test may damage."""
    async with cloned_database(servers, decided.database_url.rpartition("/")[2]) as url:
        yield url


def run_verify(database_url: str, *arguments: str) -> CommandResult:
    return command("verify", *arguments, environment={"UNENROLL_DATABASE_URL": database_url})


def found(database_url: str, *arguments: str, code: int = 0) -> dict[str, Any]:
    result = run_verify(database_url, "--json", *arguments)
    assert result.code == code, result
    verified: dict[str, Any] = json.loads(result.out)
    return verified


async def plant(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(statement)
    await connection.close()


@pytest.mark.parametrize("options", [(), ("--published",)])
async def test_decided_accounts_have_no_differences(database_url: str, options: tuple[str, ...]) -> None:
    before = await tables(database_url)
    result = found(database_url, *options)
    assert (result["accounts"], result["drifted"], result["due"], result["listed"]) == (ACCOUNTS, 0, 0, [])
    assert await tables(database_url) == before
    text = run_verify(database_url, *options).out
    assert f"Checked {ACCOUNTS} accounts against facts" in text
    assert "no differences." in text


def edited(old: str, new: str) -> str:
    """Return a statement that damages the account of customer 101."""
    return f"update accounts set facts = replace(facts, '{old}', '{new}') where customer_id = 101"  # noqa: S608 - ours


CANCELLED = '"CANCELLED","PERIOD_END_LOST","VOID"'
DRIFTS: Mapping[str, tuple[str, set[str]]] = {
    "the outcome of a leave": (edited('["UNENROLLED",3]', '["ALREADY_UNENROLLED",null]'), {SETTLEMENT}),
    "the first lost cycle": (edited('["UNENROLLED",3]', '["UNENROLLED",4]'), {SETTLEMENT}),
    "the standing of a reward": (edited(CANCELLED, '"KEPT","ENROLLED",null'), {SETTLEMENT}),
    "the state of a reward alone": (edited(CANCELLED, '"KEPT","PERIOD_END_LOST","VOID"'), {SETTLEMENT}),
    "the action of a reward": (edited(CANCELLED, '"CANCELLED","PERIOD_END_LOST","REVERSE"'), {SETTLEMENT}),
    "the revision of a reward": (edited(f"{CANCELLED},1", f"{CANCELLED},0"), {SETTLEMENT}),
    "the time of a leave": (edited("2026-03-15T00:00:00Z", "2026-03-16T00:00:00Z"), {LEDGER}),
    "the time of an enrollment": (edited("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), {LEDGER}),
    "the value of a reward": (edited("250.50", "250.51"), {LEDGER}),
    "a cycle that the calendar lacks": (edited('"R3-101",3', '"R3-101",99'), {ACCOUNT}),
    "whether it waits": ("update accounts set waits = true where customer_id = 101", {SETTLEMENT}),
    "a text that is no JSON": ("update accounts set facts = '[1' where customer_id = 101", {ACCOUNT}),
    "a missing account": ("delete from accounts where customer_id = 101", {ACCOUNT}),
    "the number of decisions": ("update accounts set decisions = 9 where customer_id = 101", {LEDGER}),
    "a missing decision": ("delete from ledger where customer_id = 101 and decision = 2", {LEDGER}),
    "a first answer": (
        "update ledger set outcome = 'GROUP_NOT_FOUND' where customer_id = 101 and outcome = 'UNENROLLED'",
        {LEDGER},
    ),
}


@pytest.mark.parametrize("drift", DRIFTS)
async def test_a_planted_difference_is_found(database_url: str, drift: str) -> None:
    statement, kinds = DRIFTS[drift]
    await plant(database_url, statement)
    result = found(database_url, code=1)
    assert set(result["differences"]) == kinds
    assert (result["drifted"], {one["customer_id"] for one in result["listed"]}) == (1, {101})


async def test_an_undefined_target_is_a_difference_of_all_its_accounts(database_url: str) -> None:
    await plant(database_url, "delete from targets")
    result = found(database_url, code=1)
    assert (result["drifted"], result["differences"]) == (ACCOUNTS, {ACCOUNT: ACCOUNTS})


ONLY_PUBLISHED: Mapping[str, str] = {
    "the revision of a reward": edited(f"{CANCELLED},1", f"{CANCELLED},3"),
    "the revision of an account": edited("[1,1,", "[1,2,"),
    "a first answer": "update ledger set outcome = 'NOTHING_LEFT' where customer_id = 301",
}


@pytest.mark.parametrize("customers", [(), (101, 102, 103, 104, 201, 999)])
async def test_accounts_are_read_in_pages_and_each_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch, customers: tuple[int, ...]
) -> None:
    monkeypatch.setattr(audit, "CUSTOMERS_PER_PAGE", 3)
    async with open_pool(database_url) as pool:
        pages = [page async for page in audit.audit(pool, audit.AuditScope(customers=customers))]
    keys = [one.key for page in pages for one in page]
    assert (len(keys), sorted(set(keys))) == (5 if customers else ACCOUNTS, keys)
    assert max(map(len, pages)) == 3


@pytest.mark.parametrize("drift", ONLY_PUBLISHED)
async def test_published_events_show_differences_that_the_facts_do_not(database_url: str, drift: str) -> None:
    await plant(database_url, ONLY_PUBLISHED[drift])
    assert found(database_url)["drifted"] == 0
    result = found(database_url, "--published", code=1)
    assert (result["drifted"], set(result["differences"])) == (1, {PUBLISHED})


async def test_missing_events_are_differences_unless_they_were_pruned(database_url: str) -> None:
    await plant(database_url, "update publications set outputs = (select outputs from publications limit 1)")
    assert found(database_url, "--published", code=1)["differences"].keys() == {PUBLISHED}
    await plant(database_url, "delete from publications")
    assert found(database_url, "--published")["drifted"] == 0


async def test_a_pruned_ledger_is_no_difference(database_url: str) -> None:
    await plant(database_url, "delete from ledger where decision <= 3")
    assert found(database_url, "--published")["drifted"] == 0


async def test_only_selected_accounts_are_verified(database_url: str) -> None:
    await plant(database_url, DRIFTS["the number of decisions"][0])
    assert found(database_url, "--customer", "102", "--customer", "103")["accounts"] == 2
    assert found(database_url, "--target", "22")["accounts"] == 0
    assert found(database_url, "--customer", "101", "--target", "21", code=1)["drifted"] == 1


async def test_an_account_that_waits_for_appended_cycles_is_due(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        assert isinstance(await define(pool, group_of(appended_definition(2)), settle_again=True), AcceptedDefinition)
    result = found(database_url, "--published")
    assert (result["accounts"], result["due"], result["drifted"]) == (ACCOUNTS, 1, 0)
    await plant(database_url, "update accounts set facts = replace(facts, 'NOTHING_LEFT', 'UNENROLLED')")
    assert found(database_url, code=1)["differences"].keys() == {SETTLEMENT}


async def test_every_difference_is_written_and_the_report_is_text(database_url: str, tmp_path: Path) -> None:
    await plant(database_url, edited("R3-101", "<b>R3</b>"))
    file, report = tmp_path / "differences.ndjson", tmp_path / "report.txt"
    result = run_verify(database_url, "--differences", str(file), "--report", str(report))
    assert (result.code, result.err) == (1, "unenroll: found differences in 1 account\n")
    (difference,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert difference["about"] == "reward <b>R3</b>"
    assert "reward <b>R3</b>" in report.read_text()
    assert "reward <b>R3</b>" in result.out


def test_replay_in_mode_compare_gives_the_same_result(database_url: str, decided: Deployment) -> None:
    result = command(
        "replay",
        "--mode",
        "compare",
        "--json",
        environment={**decided.environment, "UNENROLL_DATABASE_URL": database_url},
    )
    assert (result.code, json.loads(result.out)) == (0, found(database_url))
