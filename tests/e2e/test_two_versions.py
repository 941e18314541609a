"""Workers of two versions beside each other, on tables that the newer one has upgraded beneath the older one."""

from pathlib import Path
from signal import SIGTERM

from support.databases import EXPANDS, NEWER, newer, of_version
from support.deployment import Deployment, first_answers
from support.events import leave_record, three_rewards
from support.workers import running_command, wait_until
from unenroll.postgres.migrate import upgrade
from unenroll.postgres.pool import TABLES_VERSION

FIRST, SECOND, THIRD = range(951, 961), range(961, 971), range(971, 981)


def answered(deployment: Deployment, customers: range) -> bool:
    return {f"leave-{customer}" for customer in customers} <= first_answers(deployment.consume()).keys()


async def owners(deployment: Deployment) -> set[str | None]:
    return {row["owner_version"] for row in await deployment.rows("select owner_version from lanes")}


async def test_an_older_worker_goes_on_and_shares_with_a_newer_one(deployment: Deployment, tmp_path: Path) -> None:
    deployment.load(line for customer in (*FIRST, *SECOND, *THIRD) for line in three_rewards(customer))
    with running_command("run", environment=deployment.environment) as old:
        old.wait_for_log('"lane_opened"', times=4)
        deployment.request(leave_record(customer) for customer in FIRST)
        await upgrade(deployment.database_url, newer(tmp_path, EXPANDS, oldest=TABLES_VERSION))
        with of_version(NEWER, "run", environment=deployment.environment) as new:
            new.wait_for_log('"lane_opened"', times=2)
            deployment.request(leave_record(customer) for customer in SECOND)
            wait_until(lambda: answered(deployment, SECOND), "answers", show=old.output)
            assert await owners(deployment) == {TABLES_VERSION, NEWER}
            old.send_signal(SIGTERM)
            assert old.wait() == 0
            with running_command(
                "run", environment=deployment.environment
            ) as back:  # a rollback, or a machine that comes late
                back.wait_for_log('"lane_opened"', times=2)
                deployment.request(leave_record(customer) for customer in THIRD)
                wait_until(lambda: answered(deployment, THIRD), "answers", show=back.output)
    assert {len(kinds) for kinds in first_answers(deployment.consume()).values()} == {1}
