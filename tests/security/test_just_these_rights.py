"""The rights of deploy/ are enough for every part, and the worker needs each of its own."""

from signal import SIGTERM

import pytest
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined] # exported, but not said to be

from security.fortified import left, publish
from support.api_process import opened
from support.files import command, leave
from support.place import Place
from support.secure_servers import SecureServers
from support.topics import Put, put, seen
from support.workers import run, running
from unenroll.worker.preflight import TABLE_RIGHTS


@pytest.mark.thorough
def test_each_part_works_with_just_its_rights(stronghold: SecureServers) -> None:
    publish(stronghold, leave(1))
    run("run", "--until-caught-up", environment=stronghold.environment("worker", "worker"))
    assert [record.data["customerId"] for record in left(stronghold)] == [1]
    reader, operator = stronghold.environment("operator", "reader"), stronghold.environment("operator", "operator")
    assert "UNENROLLED" in run("status", environment=reader)
    assert "UNENROLLED" in run("explain", "--customer", "1", environment=reader)
    run("replay", "--from-topics", "--no-wait", environment=operator)


@pytest.mark.thorough
def test_the_http_api_and_the_other_commands_work_with_just_their_rights(stronghold: SecureServers) -> None:
    place = Place(
        kafka=stronghold.kafka.sasl,
        database_url=stronghold.database_url,
        prefix=stronghold.prefix,
        folder=stronghold.folder,
    )
    api = stronghold.environment("api", "api")
    with (
        running("run", environment=stronghold.environment("worker", "worker")) as worker,
        opened(place, **api) as api,
    ):
        worker.wait_to_say('"lane open"')
        assert api.leave(2, key="a").status == 200
        assert api.enroll(20, key="b").status == 200
        assert api.get("/customers/2/targets/21").status == 200
        worker.tell(SIGTERM)
        assert worker.wait() == 0
    operator, reader = stronghold.environment("operator", "operator"), stronghold.environment("operator", "reader")
    run("verify", environment=reader)
    plan = stronghold.folder / "leaves.plan"
    lines = stronghold.folder / "leaves.ndjson"
    lines.write_text(f"{leave(3)}\n{leave(4)}\n")
    run("plan", str(lines), "--out", str(plan), environment=reader)
    run("apply", str(plan), "--no-wait", environment=operator)
    run("replay", "--mode", "re-emit", environment=operator)
    run("prune", "--older-than", "400d", "--force", environment=operator)
    run("offsets", "show", environment=reader)
    run("offsets", "set", "--to", "earliest", "--why", "to try it", environment=operator)


@pytest.mark.thorough
def test_dead_letters_are_put_back_with_just_the_rights_of_an_operator(stronghold: SecureServers) -> None:
    worker = stronghold.environment("worker", "worker")
    operator, reader = stronghold.environment("operator", "operator"), stronghold.environment("operator", "reader")
    put(stronghold.kafka.open, f"{stronghold.prefix}requests", [Put(key=b"1", value=b"{"), Put(key=b"1", value=b"[")])
    run("run", "--until-caught-up", environment=worker)
    assert "not_json" in run("dlq", "list", environment=reader)
    place = seen(stronghold.kafka.open, stronghold.prefix, ["dead-letters"])[0]
    run("dlq", "park", f"{place.topic}-0@{place.offset}", "--why", "to try it", environment=operator)
    run("dlq", "redrive", environment=operator)
    run("dlq", "show", f"{place.topic}-0@{place.offset}", environment=reader)


@pytest.mark.thorough
async def test_each_right_of_the_worker_to_a_table_is_missed(stronghold: SecureServers) -> None:
    worker = stronghold.environment("worker", "worker")
    run("run", "--until-caught-up", environment=worker)
    for table, rights in TABLE_RIGHTS.items():
        for right in rights:
            await stronghold.execute(f"revoke {right} on {table} from unenroll_worker")
            assert f"grant {right} on {table} to worker_" in _refused(worker)
            await stronghold.execute(f"grant {right} on {table} to unenroll_worker")


@pytest.mark.thorough
async def test_each_right_of_the_worker_in_kafka_is_missed(stronghold: SecureServers) -> None:
    worker = stronghold.environment("worker", "worker")
    rules = [rule for rule in stronghold.admit() if rule.principal == "User:worker"]
    seldom = [rule for rule in rules if rule.name.endswith(".lane-") or rule.name == "unenroll-"]
    for rule in (rule for rule in rules if rule not in seldom):
        with stronghold.without(rule):
            told = _refused(worker)
        assert f"--operation {AclOperation(rule.operation).name.title().replace('_', '')} " in told
        assert rule.name in told
        assert "User:worker" in told


@pytest.mark.thorough
async def test_all_that_is_missing_is_said_at_once(stronghold: SecureServers) -> None:
    await stronghold.execute("revoke update on lanes from unenroll_worker; revoke all on ledger from unenroll_worker")
    told = _refused(stronghold.environment("api", "worker"))
    assert "grant update on lanes to worker_" in told
    assert "grant select, insert on ledger to worker_" in told
    assert f"User:api --operation Write --transactional-id {stronghold.prefix}:{stronghold.group_id}:" in told


@pytest.mark.thorough
async def test_a_schema_that_is_closed(stronghold: SecureServers) -> None:
    await stronghold.execute("revoke usage on schema public from unenroll_worker")
    assert "grant usage on schema public to worker_" in _refused(stronghold.environment("worker", "worker"))


def _refused(environment: dict[str, str]) -> str:
    found = command("run", "--until-caught-up", environment=environment)
    assert (found.code, found.out) == (1, ""), found
    (line,) = (line for line in found.err.splitlines() if not line.startswith("{"))
    assert line.startswith("unenroll: rights are missing")
    return line
