"""The worker: joins the group, runs the lanes that it is given, and stops when asked, when done, or when it must."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from unenroll.batch.step import Step
from unenroll.in_the_clear import warn_of_the_clear
from unenroll.settings import WorkerSettings
from unenroll.store.connect import check_tables, connected
from unenroll.store.definitions import DefinitionCache
from unenroll.store.due import due_again
from unenroll.stream.arrival import Arrival
from unenroll.stream.cluster import Cluster
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.definitions import Definitions
from unenroll.stream.following import Following
from unenroll.stream.holding import Means, held
from unenroll.stream.leftover import Leftover
from unenroll.stream.observing import Looking, Observed, observing
from unenroll.stream.patience import Waiting
from unenroll.stream.permitted import check_rights
from unenroll.stream.settling_again import SettlingAgain
from unenroll.stream.topics import INPUTS, existing_topics, limits
from unenroll.stream.watches import caught_up, in_the_group, same_topics, until
from unenroll.wire.names import Topic as Word

_CONNECTIONS = 8


async def work(settings: WorkerSettings, *, stop: asyncio.Event, until_caught_up: bool = False) -> None:
    """Run until `stop` is set, or until what is in the topics now is done. Raises SetupError and OutageError."""
    warn_of_the_clear(settings)
    async with (
        observing(settings) as seen,
        connected(settings.database_url, connections=_CONNECTIONS) as pool,
        _equipped(settings, pool, seen) as means,
        Definitions(settings, pool, means.topics[settings.topic_prefix + Word.DEFINITIONS]) as definitions,
    ):
        cluster = means.cluster
        following = Following(definitions=definitions, again=SettlingAgain(settings=settings, pool=pool))
        facts = means.topics[settings.topic_prefix + Word.FACTS]
        group = (settings.topic_prefix, settings.group_id)
        await due_again(pool, group=group, topic=facts.name, topic_id=facts.topic_id)
        await following.catch_up(await cluster.ends(definitions.partitions))
        goal = await cluster.ends(means.inputs) if until_caught_up else None
        async with held(means) as (lanes, consumer):
            await until(
                stop,
                lanes.failed,
                in_the_group(consumer, means.coordinator, means.waiting),
                following.go_on(means.waiting),
                same_topics(cluster, {name: means.topics[name] for name in _read_topics(settings)}),
                caught_up(lanes, means.coordinator, goal),
                Looking(settings=settings, cluster=cluster, pool=pool, board=seen.board).go_on(),
            )
        if lanes.failed.done():
            lanes.failed.result()


@asynccontextmanager
async def _equipped(settings: WorkerSettings, pool: asyncpg.Pool, seen: Observed) -> AsyncIterator[Means]:
    """What the lanes work with, once tables and topics are found in order and what was left over is published."""
    cluster = Cluster(settings)
    await check_rights(settings, cluster, pool)
    await check_tables(pool)
    topics = await existing_topics(cluster, (settings.topic_prefix + word for word in Word))
    step = Step(pool=pool, cache=DefinitionCache(), limits=await limits(cluster, settings.topic_prefix))
    await Leftover(settings=settings, pool=pool, topics=topics, batch_bytes=min(step.limits.values())).publish()
    async with Coordinator(settings) as coordinator:
        yield Means(
            settings=settings,
            step=step,
            cluster=cluster,
            coordinator=coordinator,
            topics=topics,
            seen=seen,
            arrival=Arrival(pool, step.cache, seconds=settings.definition_wait_ms / 1000),
            waiting=Waiting(who=seen.board.waiting),
        )


def _read_topics(settings: WorkerSettings) -> list[str]:
    return [settings.topic_prefix + word for word in (*INPUTS, Word.DEFINITIONS)]
