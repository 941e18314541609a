"""Workers of two versions beside each other, on tables that the newer one has upgraded beneath the older one."""

from pathlib import Path
from signal import SIGTERM

from support.databases import EXPANDS, NEWER, newer, of_version
from support.events import leaves, three_rewards
from support.place import Place, answers
from support.workers import running, wait_until
from unenroll.postgres.migrate import upgrade
from unenroll.postgres.pool import TABLES_VERSION

FIRST, SECOND, THIRD = range(951, 961), range(961, 971), range(971, 981)


def answered(place: Place, customers: range) -> bool:
    return {f"leave-{customer}" for customer in customers} <= answers(place.seen()).keys()


async def owners(place: Place) -> set[str | None]:
    return {row["owner_version"] for row in await place.rows("select owner_version from lanes")}


async def test_an_older_worker_goes_on_and_shares_with_a_newer_one(place: Place, tmp_path: Path) -> None:
    place.load(line for customer in (*FIRST, *SECOND, *THIRD) for line in three_rewards(customer))
    with running("run", environment=place.environment) as old:
        old.wait_to_say('"lane_opened"', times=4)
        place.request(leaves(customer) for customer in FIRST)
        await upgrade(place.database_url, newer(tmp_path, EXPANDS, oldest=TABLES_VERSION))
        with of_version(NEWER, "run", environment=place.environment) as new:
            new.wait_to_say('"lane_opened"', times=2)
            place.request(leaves(customer) for customer in SECOND)
            wait_until(lambda: answered(place, SECOND), "answers", show=old.output)
            assert await owners(place) == {TABLES_VERSION, NEWER}
            old.tell(SIGTERM)
            assert old.wait() == 0
            with running("run", environment=place.environment) as back:  # a rollback, or a machine that comes late
                back.wait_to_say('"lane_opened"', times=2)
                place.request(leaves(customer) for customer in THIRD)
                wait_until(lambda: answered(place, THIRD), "answers", show=back.output)
    assert {len(kinds) for kinds in answers(place.seen()).values()} == {1}
