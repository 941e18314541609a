"""The whole flow with the examples: tables and topics, load, publish, work, read back."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import TypeVar

from pydantic_core import to_json

from unenroll.demo.compare import Observation, observed
from unenroll.demo.notation import LEAVE, Campaign, Chapter, ExampleEvent
from unenroll.demo.reader import read_all
from unenroll.errors import UnenrollError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import OUTPUTS, make_topics
from unenroll.ops.files import Line
from unenroll.ops.load.load import load
from unenroll.ops.progress import bad_lines
from unenroll.ops.publish import most_bytes, publish
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.history import customer_history
from unenroll.postgres.migrate import migrate
from unenroll.postgres.pool import connected
from unenroll.sandbox.process import Say, show_progress
from unenroll.settings import WorkerSettings
from unenroll.wire.fields import instant_text
from unenroll.worker.worker import run_worker

SOURCE = "/demo"

_Document = Mapping[str, object]


def facts(chapters: Iterable[Chapter]) -> Iterator[Line]:
    """The definitions, enrollments and rewards."""
    return _numbered(_facts(chapters))


def requests(chapters: Iterable[Chapter]) -> Iterator[Line]:
    """The leaves, those of a customer in the order in which they are told."""
    return _numbered(
        _document(told, chapter.campaign, customer_id=example.customer_id)
        for chapter in chapters
        for example in chapter.examples
        for told in example.told
        if told.type == LEAVE
    )


def _facts(chapters: Iterable[Chapter]) -> Iterator[_Document]:
    for chapter in chapters:
        campaign = chapter.campaign
        yield {"type": "TargetGroupDefined", "id": f"group {campaign.group_id}", "data": campaign.definition}
        for example in chapter.examples:
            for told in (campaign.enrollment, *example.told):
                if told.type != LEAVE:
                    yield _document(told, campaign, customer_id=example.customer_id)


def _document(told: ExampleEvent, campaign: Campaign, *, customer_id: int) -> _Document:
    return {
        "type": told.type,
        "source": SOURCE,
        "id": told.name,
        "time": instant_text(told.time),
        "data": {"customerId": customer_id, **campaign.account, **told.data},
    }


def _numbered(documents: Iterable[_Document]) -> Iterator[Line]:
    numbers = count(1)
    return (Line("demo", next(numbers), to_json(document)) for document in documents)


PARTITIONS = 4
WORK_SECONDS = 60.0

_T = TypeVar("_T")


async def play(chapters: Sequence[Chapter], settings: WorkerSettings, *, say: Say) -> Observation:
    """What is found of the examples' customers once all that is told of them is decided.

    Makes tables and topics where there are none. Raises UnenrollError; whatever takes longer than 2 s is said.
    """
    await prepare(chapters, settings, say=say)
    async with show_progress(say, lambda: "publishing requests"):
        await _publish(chapters, settings)
    async with show_progress(say, lambda: "the worker decides"):
        await _work(settings)
    async with show_progress(say, lambda: "reading the answers back"):
        return await _read_back(chapters, settings)


async def prepare(chapters: Sequence[Chapter], settings: WorkerSettings, *, say: Say) -> None:
    """Make tables and topics where there are none, and load the examples' facts. Raises UnenrollError."""
    async with show_progress(say, lambda: "creating tables and topics"):
        await migrate(_database(settings))
        await make_topics(KafkaAdmin(settings), settings.topic_prefix, partitions=PARTITIONS, replication=1)
    async with show_progress(say, lambda: "loading facts"):
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
            await run_worker(settings, stop=asyncio.Event(), until_caught_up=True)
    except TimeoutError:
        raise UnenrollError(f"the worker was not done within {WORK_SECONDS:.0f} s") from None


async def _read_back(chapters: Sequence[Chapter], settings: WorkerSettings) -> Observation:
    topics = [settings.topic_prefix + word for word in OUTPUTS]
    seen = await _in_a_thread(lambda: read_all(settings.kafka_bootstrap_servers, topics))
    return observed(seen, await _accounts(chapters, settings))


async def _accounts(chapters: Sequence[Chapter], settings: WorkerSettings) -> list[KnownAccount]:
    customers = [example.customer_id for chapter in chapters for example in chapter.examples]
    async with connected(_database(settings), connections=1) as pool:
        return [known.account for customer in customers for known in (await customer_history(pool, customer)).accounts]


async def _in_a_thread(blocking: Callable[[], _T]) -> _T:
    """What the work returns. It is waited for also when cancelled: the servers must not end under it."""
    running = asyncio.ensure_future(asyncio.to_thread(blocking))
    try:
        return await asyncio.shield(running)
    finally:
        await asyncio.wait([running])
