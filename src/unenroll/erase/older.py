"""Programs that know of no erased customers would take back what was erased, so none of them may be at work."""

import asyncpg

from unenroll.errors import UnenrollError
from unenroll.settings import WorkerSettings
from unenroll.store.lanes import LaneKey, lanes_of_older, take_lane
from unenroll.stream.coordinator import Coordinator, asked

_KNOWN_SINCE = "0009"


async def check_no_older_works(settings: WorkerSettings, pool: asyncpg.Pool) -> None:
    """Take lanes that older programs may hold and nobody works on. Raises UnenrollError if somebody does.

    Raises OutageError and SetupError.
    """
    for key, version in await lanes_of_older(pool, _KNOWN_SINCE):
        own = settings.model_copy(update={"group_id": key.group_id})
        if await asked(own, Coordinator.members):
            raise UnenrollError(_busy(key, version))
        await take_lane(pool, key, to_work=False)


def _busy(key: LaneKey, version: str | None) -> str:
    return (
        f"lane {key.partition} of group {key.group_id} may be held by a worker of an older version "
        f"({version or 'unknown'}), which would bring the customer back: upgrade all workers of the group first"
    )
