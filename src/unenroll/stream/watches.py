"""What a running worker waits for: to be stopped, to be done, or to be told that it cannot go on."""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer

from unenroll.errors import OutageError
from unenroll.observe.board import GROUP
from unenroll.stream.cluster import Cluster, Partition, Topic
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.group import Lanes
from unenroll.stream.outage import kafka_errors
from unenroll.stream.patience import Waiting
from unenroll.stream.topics import check_same

log = structlog.get_logger()

_LOOK_SECONDS = 0.1
_GROUP_SECONDS = 1.0
_TOPICS_SECONDS = 15.0  # each answer costs some 100 bytes a topic for good: confluent-kafka keeps their ids


async def until(stop: asyncio.Event, failed: "asyncio.Future[None]", *watches: Coroutine[Any, Any, None]) -> None:
    """Return when `stop` is set or a watch ends; raise what a lane or a watch raises."""
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(watch) for watch in (stop.wait(), *watches)]
    try:
        done, _ = await asyncio.wait({failed, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            ended.result()
    finally:
        for task in tasks:
            task.cancel()


async def in_the_group(consumer: AIOKafkaConsumer, coordinator: Coordinator, waiting: Waiting) -> None:
    """Say when Kafka is away, also while no lane needs it. Raises the SetupError that keeps us out of the group."""
    failures = 0
    while True:
        try:
            with kafka_errors("joining the group"):
                # There is no public way, and aiokafka tells only a lane that polls: without a lane, nobody.
                consumer._coordinator.check_errors()  # noqa: SLF001
            await coordinator.owners()
        except OutageError as outage:
            failures += 1
            if failures > 1:  # a new cluster has no coordinator for a moment
                waiting.begin(GROUP, outage)
        else:
            failures = 0
            waiting.end(GROUP)
        await asyncio.sleep(_GROUP_SECONDS)


async def same_topics(cluster: Cluster, topics: Mapping[str, Topic]) -> None:
    """Never return. Raises SetupError once one of the topics was deleted and made again: no offset of ours is of it."""
    while True:
        await asyncio.sleep(_TOPICS_SECONDS)
        with suppress(OutageError):  # who reads will notice
            await check_same(cluster, topics)


async def caught_up(lanes: Lanes, coordinator: Coordinator, goal: Mapping[Partition, int] | None) -> None:
    """Return once the group has committed the goal and all our lanes were opened; None: never."""
    if goal is None:
        await asyncio.Event().wait()
        return
    while not (lanes.open and await _reached(coordinator, goal)):  # noqa: ASYNC110 - Kafka tells nobody when an offset moves
        await asyncio.sleep(_LOOK_SECONDS)
    log.info("caught_up", partitions=len(goal))


async def _reached(coordinator: Coordinator, goal: Mapping[Partition, int]) -> bool:
    try:
        committed = await coordinator.committed(goal)
    except OutageError:
        return False
    return all((found := committed[place]) is not None and found.offset >= end for place, end in goal.items())
