"""Runs the flow on the examples: create tables and topics, load facts, publish requests, decide, read the answers."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import TypeVar

from pydantic_core import to_json

from unenroll.demo.compare import Observation, observe
from unenroll.demo.notation import LEAVE, Campaign, Chapter, ExampleEvent
from unenroll.demo.reader import read_all
from unenroll.errors import UnenrollError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import OUTPUTS, make_topics
from unenroll.ops.files import Line
from unenroll.ops.load.load import load
from unenroll.ops.progress import bad_lines
from unenroll.ops.publish import batch_limits_by_topic, publish
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.history import customer_history
from unenroll.postgres.migrate import migrate
from unenroll.postgres.pool import open_pool
from unenroll.sandbox.process import Say, show_progress
from unenroll.settings import WorkerSettings
from unenroll.wire.fields import instant_text
from unenroll.worker.worker import run_worker

PARTITIONS = 4
DECIDE_SECONDS = 60.0
SOURCE = "/demo"

_Document = Mapping[str, object]
_T = TypeVar("_T")


async def play(chapters: Sequence[Chapter], settings: WorkerSettings, *, say: Say) -> Observation:
    """Run the whole flow on the examples and return what is observed of their customers.

    Creates tables and topics where they are missing. `say` gets a line for each step that takes longer than 2 s. Raises
    UnenrollError.
    """
    await prepare(chapters, settings, say=say)
    async with show_progress(say, lambda: "publishing requests"):
        await _publish(chapters, settings)
    async with show_progress(say, lambda: "the worker decides"):
        await _decide(settings)
    async with show_progress(say, lambda: "reading the answers"):
        return await _observe(chapters, settings)


async def prepare(chapters: Sequence[Chapter], settings: WorkerSettings, *, say: Say) -> None:
    """Create tables and topics where they are missing, and load the facts of the examples. Raises UnenrollError."""
    async with show_progress(say, lambda: "creating tables and topics"):
        await migrate(_database(settings))
        await make_topics(KafkaAdmin(settings), settings.topic_prefix, partitions=PARTITIONS, replication=1)
    async with show_progress(say, lambda: "loading facts"):
        await _load(chapters, settings)


def facts(chapters: Iterable[Chapter]) -> Iterator[Line]:
    """The definitions, enrollments and rewards of the examples, as lines for `load`."""
    return _lines(_facts(chapters))


def requests(chapters: Iterable[Chapter]) -> Iterator[Line]:
    """The leaves of the examples, as lines for `publish`. Those of a customer keep their order."""
    return _lines(
        _document(event, chapter.campaign, customer_id=example.customer_id)
        for chapter in chapters
        for example in chapter.examples
        for event in example.events
        if event.type == LEAVE
    )


def _facts(chapters: Iterable[Chapter]) -> Iterator[_Document]:
    for chapter in chapters:
        campaign = chapter.campaign
        yield {"type": "TargetGroupDefined", "id": f"group {campaign.group_id}", "data": campaign.definition}
        for example in chapter.examples:
            for event in (campaign.enrollment, *example.events):
                if event.type != LEAVE:
                    yield _document(event, campaign, customer_id=example.customer_id)


def _document(event: ExampleEvent, campaign: Campaign, *, customer_id: int) -> _Document:
    return {
        "type": event.type,
        "source": SOURCE,
        "id": event.name,
        "time": instant_text(event.time),
        "data": {"customerId": customer_id, **campaign.account, **event.data},
    }


def _lines(documents: Iterable[_Document]) -> Iterator[Line]:
    numbers = count(1)
    return (Line("demo", next(numbers), to_json(document)) for document in documents)


def _database(settings: WorkerSettings) -> str:
    return settings.database_url.get_secret_value()


async def _load(chapters: Sequence[Chapter], settings: WorkerSettings) -> None:
    with bad_lines(()) as bad:
        await load(facts(chapters), _database(settings), bad=bad)
    _check_none_bad(bad.count)


async def _publish(chapters: Sequence[Chapter], settings: WorkerSettings) -> None:
    limits = await batch_limits_by_topic(settings)
    with bad_lines(()) as bad:
        await _in_thread(lambda: publish(requests(chapters), settings, limits=limits, bad=bad))
    _check_none_bad(bad.count)


def _check_none_bad(count: int) -> None:
    if count:
        raise UnenrollError(f"the program refused {count} of the demo's own lines")


async def _decide(settings: WorkerSettings) -> None:
    try:
        async with asyncio.timeout(DECIDE_SECONDS):
            await run_worker(settings, stop=asyncio.Event(), until_caught_up=True)
    except TimeoutError:
        raise UnenrollError(f"the worker did not catch up within {DECIDE_SECONDS:.0f} s") from None


async def _observe(chapters: Sequence[Chapter], settings: WorkerSettings) -> Observation:
    topics = [settings.topic_prefix + word for word in OUTPUTS]
    records = await _in_thread(lambda: read_all(settings.kafka_bootstrap_servers, topics))
    return observe(records, await _accounts(chapters, settings))


async def _accounts(chapters: Sequence[Chapter], settings: WorkerSettings) -> list[KnownAccount]:
    customers = [example.customer_id for chapter in chapters for example in chapter.examples]
    async with open_pool(_database(settings), connections=1) as pool:
        histories = [await customer_history(pool, customer) for customer in customers]
    return [known.account for history in histories for known in history.accounts]


async def _in_thread(blocking: Callable[[], _T]) -> _T:
    """Run the function in a thread. Waits for its end also when cancelled: it still uses the servers."""
    running = asyncio.ensure_future(asyncio.to_thread(blocking))
    try:
        return await asyncio.shield(running)
    finally:
        await asyncio.wait([running])
