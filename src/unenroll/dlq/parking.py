"""Dead letters marked as not to be put back."""

from dataclasses import dataclass

from unenroll.dlq.reading import chosen, reading
from unenroll.dlq.told import key_of
from unenroll.dlq.wanted import Wanted
from unenroll.settings import WorkerSettings
from unenroll.store.connect import check_tables, connected
from unenroll.store.letters import handled, park
from unenroll.stream.cluster import Cluster


@dataclass(frozen=True, kw_only=True, slots=True)
class Parked:
    """How many letters were parked, or of a dry run would be, and how many had been parked or put back before."""

    dry_run: bool
    parked: int
    before: int


async def park_letters(settings: WorkerSettings, wanted: Wanted, *, by: str, why: str, dry_run: bool) -> Parked:
    """Park the open letters. Raises UnenrollError if one that is named is not there, OutageError."""
    parked = before = 0
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        letters = await chosen(await reading(settings, Cluster(settings)), wanted)
        async for some in letters:
            keys = {key_of(found.letter) for found in some}
            if dry_run:
                done = keys - (await handled(pool, keys, topic_prefix=wanted.prefix)).keys()
            else:
                done = await park(pool, keys, by=by, why=why)
            parked += len(done)
            before += len(keys) - len(done)
    return Parked(dry_run=dry_run, parked=parked, before=before)
