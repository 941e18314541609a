"""The whole flow with the examples: tables and topics, load, publish, work, read back."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from unenroll.demo.campaigns import Chapter
from unenroll.demo.found import Found, found
from unenroll.demo.lines import facts, requests
from unenroll.demo.reader import read_all
from unenroll.errors import UnenrollError
from unenroll.load.loading import load
from unenroll.ndjson.bad_lines import bad_lines
from unenroll.publish.publishing import most_bytes, publish
from unenroll.sandbox.patience import Say, telling
from unenroll.settings import WorkerSettings
from unenroll.store.accounts import KnownAccount
from unenroll.store.connect import connected
from unenroll.store.look import look
from unenroll.store.migrate import migrate
from unenroll.stream.cluster import Cluster
from unenroll.stream.topics import OUTPUTS, make_topics
from unenroll.stream.worker import work

PARTITIONS = 4
WORK_SECONDS = 60.0

_T = TypeVar("_T")


async def play(chapters: Sequence[Chapter], settings: WorkerSettings, *, say: Say) -> Found:
    """What is found of the examples' customers once all that is told of them is decided.

    Makes tables and topics where there are none. Raises UnenrollError; whatever takes longer than 2 s is said.
    """
    await prepare(chapters, settings, say=say)
    async with telling(say, lambda: "publishing requests"):
        await _publish(chapters, settings)
    async with telling(say, lambda: "the worker decides"):
        await _work(settings)
    async with telling(say, lambda: "reading the answers back"):
        return await _read_back(chapters, settings)


async def prepare(chapters: Sequence[Chapter], settings: WorkerSettings, *, say: Say) -> None:
    """Make tables and topics where there are none, and load the examples' facts. Raises UnenrollError."""
    async with telling(say, lambda: "creating tables and topics"):
        await migrate(_database(settings))
        await make_topics(Cluster(settings), settings.topic_prefix, partitions=PARTITIONS, replication=1)
    async with telling(say, lambda: "loading facts"):
        await _load(chapters, settings)


def _database(settings: WorkerSettings) -> str:
    return settings.database_url.get_secret_value()


async def _load(chapters: Sequence[Chapter], settings: WorkerSettings) -> None:
    with bad_lines(()) as bad:
        await load(facts(chapters), _database(settings), bad=bad)
    _refuse_bad(bad.count)


async def _publish(chapters: Sequence[Chapter], settings: WorkerSettings) -> None:
    limits = await most_bytes(settings)
    with bad_lines(()) as bad:
        await _in_a_thread(lambda: publish(requests(chapters), settings, limits=limits, bad=bad))
    _refuse_bad(bad.count)


def _refuse_bad(count: int) -> None:
    if count:
        raise UnenrollError(f"{count} of the demo's own lines were refused")


async def _work(settings: WorkerSettings) -> None:
    try:
        async with asyncio.timeout(WORK_SECONDS):
            await work(settings, stop=asyncio.Event(), until_caught_up=True)
    except TimeoutError:
        raise UnenrollError(f"the worker was not done within {WORK_SECONDS:.0f} s") from None


async def _read_back(chapters: Sequence[Chapter], settings: WorkerSettings) -> Found:
    topics = [settings.topic_prefix + word for word in OUTPUTS]
    seen = await _in_a_thread(lambda: read_all(settings.kafka_bootstrap_servers, topics))
    return found(seen, await _accounts(chapters, settings))


async def _accounts(chapters: Sequence[Chapter], settings: WorkerSettings) -> list[KnownAccount]:
    customers = [example.customer_id for chapter in chapters for example in chapter.examples]
    async with connected(_database(settings), connections=1) as pool:
        return [known.account for customer in customers for known in (await look(pool, customer)).accounts]


async def _in_a_thread(blocking: Callable[[], _T]) -> _T:
    """What the work returns. It is waited for also when cancelled: the servers must not end under it."""
    running = asyncio.ensure_future(asyncio.to_thread(blocking))
    try:
        return await asyncio.shield(running)
    finally:
        await asyncio.wait([running])
