"""Every enum of the tables is an enum of the core, in the same order."""

from enum import StrEnum

import asyncpg

from unenroll.core.events import EnrollmentOrigin, RewardAllocation
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import RewardAction, RewardState, Rule

IN_THE_CORE: dict[str, type[StrEnum]] = {
    "allocation": RewardAllocation,
    "origin": EnrollmentOrigin,
    "outcome": Outcome,
    "reward_action": RewardAction,
    "reward_rule": Rule,
    "reward_state": RewardState,
}


async def test_the_enums_of_migrated_tables_are_those_of_the_core_in_order(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "select typname, array_agg(enumlabel::text order by enumsortorder) as words "
            "from pg_enum join pg_type on pg_type.oid = enumtypid group by typname"
        )
    finally:
        await connection.close()
    in_the_tables = {row["typname"]: row["words"] for row in rows}
    assert in_the_tables == {name: [word.value for word in words] for name, words in IN_THE_CORE.items()}
