"""The rights of deploy/ are enough for every part, and the worker needs each of its own."""

from signal import SIGTERM

import pytest
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined] # exported, but not said to be

from security.fortified import left, publish
from support.api_process import running_api
from support.deployment import Deployment
from support.files import command, leave_line
from support.secure_servers import SecureServers
from support.topics import NewRecord, consume, produce
from support.workers import run_command, running_command
from unenroll.worker.preflight import TABLE_RIGHTS


@pytest.mark.thorough
def test_each_part_works_with_just_its_rights(stronghold: SecureServers) -> None:
    publish(stronghold, leave_line(1))
    run_command("run", "--until-caught-up", environment=stronghold.environment("worker", "worker"))
    assert [record.data["customerId"] for record in left(stronghold)] == [1]
    reader, operator = stronghold.environment("operator", "reader"), stronghold.environment("operator", "operator")
    assert "UNENROLLED" in run_command("status", environment=reader)
    assert "UNENROLLED" in run_command("explain", "--customer", "1", environment=reader)
    run_command("replay", "--from-topics", "--no-wait", environment=operator)


@pytest.mark.thorough
def test_the_http_api_and_the_other_commands_work_with_just_their_rights(stronghold: SecureServers) -> None:
    deployment = Deployment(
        kafka=stronghold.kafka.sasl,
        database_url=stronghold.database_url,
        prefix=stronghold.prefix,
        folder=stronghold.folder,
    )
    api = stronghold.environment("api", "api")
    with (
        running_command("run", environment=stronghold.environment("worker", "worker")) as worker,
        running_api(deployment, **api) as api,
    ):
        worker.wait_for_log('"lane open"')
        assert api.leave(2, key="a").status == 200
        assert api.enroll(20, key="b").status == 200
        assert api.get("/customers/2/targets/21").status == 200
        worker.send_signal(SIGTERM)
        assert worker.wait() == 0
    operator, reader = stronghold.environment("operator", "operator"), stronghold.environment("operator", "reader")
    run_command("verify", environment=reader)
    plan = stronghold.folder / "leaves.plan"
    lines = stronghold.folder / "leaves.ndjson"
    lines.write_text(f"{leave_line(3)}\n{leave_line(4)}\n")
    run_command("plan", str(lines), "--out", str(plan), environment=reader)
    run_command("apply", str(plan), "--no-wait", environment=operator)
    run_command("replay", "--mode", "re-emit", environment=operator)
    run_command("prune", "--older-than", "400d", "--force", environment=operator)
    run_command("offsets", "show", environment=reader)
    run_command("offsets", "set", "--to", "earliest", "--why", "to try it", environment=operator)


@pytest.mark.thorough
def test_dead_letters_are_put_back_with_just_the_rights_of_an_operator(stronghold: SecureServers) -> None:
    worker = stronghold.environment("worker", "worker")
    operator, reader = stronghold.environment("operator", "operator"), stronghold.environment("operator", "reader")
    produce(
        stronghold.kafka.open,
        f"{stronghold.prefix}requests",
        [NewRecord(key=b"1", value=b"{"), NewRecord(key=b"1", value=b"[")],
    )
    run_command("run", "--until-caught-up", environment=worker)
    assert "not_json" in run_command("dlq", "list", environment=reader)
    deployment = consume(stronghold.kafka.open, stronghold.prefix, ["dead-letters"])[0]
    run_command("dlq", "park", f"{deployment.topic}-0@{deployment.offset}", "--why", "to try it", environment=operator)
    run_command("dlq", "redrive", environment=operator)
    run_command("dlq", "show", f"{deployment.topic}-0@{deployment.offset}", environment=reader)


@pytest.mark.thorough
async def test_each_right_of_the_worker_to_a_table_is_missed(stronghold: SecureServers) -> None:
    worker = stronghold.environment("worker", "worker")
    run_command("run", "--until-caught-up", environment=worker)
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
            refusal = _refused(worker)
        assert f"--operation {AclOperation(rule.operation).name.title().replace('_', '')} " in refusal
        assert rule.name in refusal
        assert "User:worker" in refusal


@pytest.mark.thorough
async def test_all_that_is_missing_is_said_at_once(stronghold: SecureServers) -> None:
    await stronghold.execute("revoke update on lanes from unenroll_worker; revoke all on ledger from unenroll_worker")
    refusal = _refused(stronghold.environment("api", "worker"))
    assert "grant update on lanes to worker_" in refusal
    assert "grant select, insert on ledger to worker_" in refusal
    assert f"User:api --operation Write --transactional-id {stronghold.prefix}:{stronghold.group_id}:" in refusal


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
