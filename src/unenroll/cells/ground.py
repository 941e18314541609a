"""What a move stands on: two databases of one group, and the topics whose lanes they share."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from unenroll.errors import SetupError, UnenrollError
from unenroll.settings import MoveSettings
from unenroll.store.cells import check_one_group, check_quiet
from unenroll.store.connect import check_tables, connected
from unenroll.store.lanes import LaneKey
from unenroll.store.plans import database_identity
from unenroll.stream.cluster import Cluster, Topic
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.topics import INPUTS, existing_topics, limits


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """`names` are what the databases call themselves: the one that lanes leave, and the one where they arrive."""

    settings: MoveSettings
    source: asyncpg.Pool
    target: asyncpg.Pool
    names: tuple[str, str]
    cluster: Cluster
    coordinator: Coordinator
    topics: Mapping[str, Topic]
    batch_bytes: int

    @property
    def group(self) -> tuple[str, str]:
        """The topic prefix and the id of the group."""
        return self.settings.topic_prefix, self.settings.group_id

    @property
    def partitions(self) -> int:
        """How many each input topic has."""
        return next(iter(self.topics.values())).partitions

    def key(self, number: int) -> LaneKey:
        """Who the lane is."""
        prefix, group_id = self.group
        return LaneKey(topic_prefix=prefix, group_id=group_id, partition=number)


@asynccontextmanager
async def ground(settings: MoveSettings) -> AsyncIterator[Ground]:
    """Both databases, and what has to be so before a lane may move. Raises UnenrollError where it is not."""
    cluster = Cluster(settings)
    async with (
        connected(settings.database_url) as source,
        connected(settings.to_database_url) as target,
        Coordinator(settings) as coordinator,
    ):
        for pool in (source, target):
            await check_tables(pool)
        names = (await database_identity(source), await database_identity(target))
        if names[0] == names[1]:
            raise UnenrollError("UNENROLL_TO_DATABASE_URL is the database that the lanes are to leave")
        topics = await existing_topics(cluster, (settings.topic_prefix + word for word in INPUTS))
        if len({topic.partitions for topic in topics.values()}) > 1:
            raise SetupError("the input topics have not as many partitions as each other, so a customer has no lane")
        found = Ground(
            settings=settings,
            source=source,
            target=target,
            names=names,
            cluster=cluster,
            coordinator=coordinator,
            topics=topics,
            batch_bytes=min((await limits(cluster, settings.topic_prefix)).values()),
        )
        for pool in (source, target):
            await check_one_group(pool, found.group)
            await check_quiet(pool, found.group)
        yield found
