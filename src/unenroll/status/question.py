"""How far the worker is, as Kafka and Postgres know it: also while workers run, and while none does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from unenroll.settings import WorkerSettings
from unenroll.status.partitions import PartitionTold
from unenroll.status.progress import LaneTold, progress, said
from unenroll.store.connect import check_tables, connected
from unenroll.store.overview import DefinitionTold, RefusalTold, overview
from unenroll.stream.cluster import Cluster


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """How far the group is, and what the database holds in all.

    The counts are of the whole database, whichever group decided. `requests`: by outcome, each event once, because
    duplicates leave no trace. `facts`: by event type. `dead_letters`: contents by reason. `settlements_due`: accounts
    that the lanes are still to be told of. `erased`: customers who were, on request. `refusals`: the latest 20
    definitions that were refused.
    """

    at: datetime
    topic_prefix: str
    group_id: str
    lanes: tuple[LaneTold, ...]
    partitions: tuple[PartitionTold, ...]
    requests: Mapping[str, int]
    facts: Mapping[str, int]
    dead_letters: Mapping[str, int]
    settlements_due: int
    erased: int
    definitions: tuple[DefinitionTold, ...]
    refusals: tuple[RefusalTold, ...]


async def status(settings: WorkerSettings, cluster: Cluster) -> Status:
    """The status now. Changes and locks nothing. Raises OutageError and SetupError."""
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        kafka = await said(settings, cluster)
        tables = await overview(pool, topic_prefix=settings.topic_prefix, group_id=settings.group_id)
    found = await progress(settings, cluster, said=kafka, lanes=tables.lanes)
    return Status(
        at=found.at,
        topic_prefix=settings.topic_prefix,
        group_id=settings.group_id,
        lanes=found.lanes,
        partitions=found.partitions,
        requests=tables.requests,
        facts=tables.facts,
        dead_letters=tables.dead_letters,
        settlements_due=tables.settlements_due,
        erased=tables.erased,
        definitions=tables.definitions,
        refusals=tables.refusals,
    )
