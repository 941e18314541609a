"""Measure what large and bad input costs, and what other customers notice of it: `make bench-limits`."""

import argparse
import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import monotonic
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition

from benchmarks.databases import database_copy, fetch_value
from benchmarks.event_producer import EventProducer
from benchmarks.processes import python, running_programs, unenroll
from benchmarks.processor_time import peak_megabytes
from support.quota import limited_producers
from unenroll.sandbox.environment import free_ports
from unenroll.sandbox.servers import ServerAddresses, provide_servers

_PATIENCE_SECONDS = 600.0
_RATE = 20
_SECONDS = 15.0
_PAIRS = 3
_CYCLES = [
    {"periodName": f"c{n}", "start": f"2026-{n:02}-01T00:00:00Z", "end": f"2026-{n + 1:02}-01T00:00:00Z"}
    for n in range(1, 7)
]
_GROUP: dict[str, Any] = {
    "targetGroupId": 11,
    "name": "Spring",
    "version": 1,
    "active": True,
    "timeZone": "UTC",
    "cycles": _CYCLES[:5],
    "targets": [{"targetId": 21, "name": "ABC", "kind": "MILESTONE"}],
}
_NUMBERS = count(1)
_TIME = datetime(2026, 3, 15, tzinfo=UTC)
_REWARDS = "select count(*) >= $1 from ledger where event_type = 'RewardEarned'"


@dataclass
class Site:
    """A database, topics and a worker. `seen` has when the answer to each request was visible."""

    environment: dict[str, str]
    events: EventProducer
    seen: dict[str, float] = field(default_factory=dict)

    def send(self, name: str, data: dict[str, Any], *, partition: int = -1, time: datetime = _TIME) -> str:
        """Publish an event, and return its id."""
        return self.events.send(name, data, time=time, partition=partition)

    def leave(self, customer: int, *, partition: int = 0, group: int = 11) -> str:
        """Publish a request to leave."""
        data = {"customerId": customer, "targetGroupId": group, "targetId": 21}
        return self.send("UnenrollRequested", data, partition=partition)

    async def answered(self, ids: Iterable[str]) -> float:
        """Wait for the answers to these requests, and return when the last was visible."""
        wanted = set(ids)
        await _until(lambda: wanted <= self.seen.keys())
        return max(self.seen[one] for one in wanted)

    async def p99(self, *, seconds: float, meanwhile: Callable[[], None] | None = None) -> float:
        """The p99 in milliseconds of 20 good requests a second in partition 0."""
        sent: dict[str, float] = {}
        ends = monotonic() + seconds
        while (now := monotonic()) < ends:
            sent[self.leave(1_000_000 + next(_NUMBERS))] = now
            if meanwhile is not None:
                meanwhile()
            await asyncio.sleep(max(0.0, now + 1 / _RATE - monotonic()))
        await self.answered(sent)
        waits = sorted(self.seen[one] - at for one, at in sent.items())
        return waits[int(len(waits) * 0.99)] * 1000

    async def query(self, query: str, *arguments: object) -> Any:  # noqa: ANN401 - a value of Postgres
        """The value that the query returns."""
        return await fetch_value(self.environment["UNENROLL_DATABASE_URL"], query, *arguments)

    async def holds(self, query: str, *arguments: object) -> float:
        """Wait until the query returns true, and return when that was."""
        while not await self.query(query, *arguments):  # noqa: ASYNC110 - Postgres has no event for a row
            await asyncio.sleep(0.2)
        return monotonic()


async def _until(condition: Callable[[], bool]) -> None:
    ends = monotonic() + _PATIENCE_SECONDS
    while not condition():
        if monotonic() > ends:
            raise SystemExit(f"gave up after {_PATIENCE_SECONDS:.0f} s")
        await asyncio.sleep(0.01)


@asynccontextmanager
async def site(servers: ServerAddresses, **settings: str) -> AsyncIterator[Site]:
    """Tables, topics with four partitions, and the definition; somebody has to start a worker."""
    async with database_copy(servers.database_url, None) as url:
        prefix = f"limits.{uuid4().hex[:8]}."
        (port,) = free_ports(1)
        environment = {
            "UNENROLL_DATABASE_URL": url,
            "UNENROLL_KAFKA_BOOTSTRAP_SERVERS": servers.kafka,
            "UNENROLL_TOPIC_PREFIX": prefix,
            "UNENROLL_GROUP_ID": f"{prefix}group",
            "UNENROLL_HTTP_ADDRESS": f"127.0.0.1:{port}",
            **settings,
        }
        unenroll(environment, "migrate")
        unenroll(environment, "topics", "--partitions", "4")
        place = Site(environment, EventProducer(kafka=servers.kafka, prefix=prefix, source="/limits"))
        place.send("TargetGroupDefined", _GROUP)
        place.events.flush()
        over = Event()
        reader = Thread(target=_read, args=(place, over), daemon=True)
        reader.start()
        yield place
        over.set()
        reader.join(5)


def _read(place: Site, over: Event) -> None:
    prefix = place.environment["UNENROLL_TOPIC_PREFIX"]
    servers = place.environment["UNENROLL_KAFKA_BOOTSTRAP_SERVERS"]
    consumer = Consumer({"bootstrap.servers": servers, "group.id": str(uuid4()), "isolation.level": "read_committed"})
    topics = ("unenrollments", "rejections")
    consumer.assign([TopicPartition(prefix + topic, number, 0) for topic in topics for number in range(4)])
    while not over.is_set():
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            place.seen.setdefault(json.loads(message.value() or b"{}")["requestId"], monotonic())
    consumer.close()


def worker(place: Site) -> Any:  # noqa: ANN401 - a context manager
    """Run a worker until the end of the block."""
    return running_programs(place.environment, [python("unenroll", "run")])


async def appended(servers: ServerAddresses, *, accounts: int) -> None:
    """A definition appends a cycle for which so many accounts wait."""
    async with site(servers) as place:
        with worker(place):
            data = {"customerId": 1, "targetGroupId": 11, "targetId": 21, "enrolledAt": "2026-01-01T00:00:00Z"}
            place.send("CustomerEnrolled", data, partition=0)
            place.events.flush()
            late = {"customerId": 1, "targetGroupId": 11, "targetId": 21}  # after the last cycle
            asked = place.send("UnenrollRequested", late, partition=0, time=datetime(2026, 6, 2, tzinfo=UTC))
            place.events.flush()
            await place.answered([asked])
            await place.query(
                "with one as (select * from accounts where waits limit 1) insert into accounts "
                "select n, target_id, 1, true, facts from one cross join generate_series(2, $1::bigint) as n",
                accounts,
            )
            began = monotonic()
            place.send("TargetGroupDefined", {**_GROUP, "version": 2, "cycles": _CYCLES})
            new = {**_GROUP, "targetGroupId": 12, "targets": [{"targetId": 22, "name": "DEF", "kind": "MILESTONE"}]}
            place.send("TargetGroupDefined", new)
            place.events.flush()
            asked = place.send("UnenrollRequested", {"customerId": 7, "targetGroupId": 12, "targetId": 22}, partition=0)
            place.events.flush()
            answer = await place.answered([asked])
            outcome = await place.query("select outcome::text from ledger where target_id = 22")
            resettled = await place.holds("select count(*) = 0 from resettlements")
    print(
        f"appended cycles, {accounts:,} accounts wait: a request right behind it was answered {outcome} after "
        f"{answer - began:.2f} s, all accounts were told after {resettled - began:.1f} s",
        flush=True,
    )


async def unknown(servers: ServerAddresses, *, rate: int) -> None:
    """So many unknown names a second among 20 good requests a second."""
    async with site(servers) as place:
        with worker(place):
            await place.p99(seconds=5)
            each = rate // _RATE

            def bad() -> None:
                for _ in range(each):
                    place.leave(7, group=10_000 + next(_NUMBERS))

            pairs = [
                (await place.p99(seconds=_SECONDS), await place.p99(seconds=_SECONDS, meanwhile=bad))
                for _ in range(_PAIRS)
            ]
    alone, beside = (median(times) for times in zip(*pairs, strict=True))
    print(
        f"unknown names, {rate} a second: p99 of good requests {beside:.0f} ms, without them {alone:.0f} ms "
        f"(ratio {beside / alone:.1f}, medians of {_PAIRS} pairs of 15 s)",
        flush=True,
    )


async def large(servers: ServerAddresses, *, facts: int, more: int) -> None:
    """More facts for an account that has many and a leave; requests in another partition meanwhile."""
    async with site(servers, UNENROLL_MAX_ACCOUNT_FACTS="100000") as place:
        with worker(place):
            for number in range(facts):
                _reward(place, number)
                if number % 1000 == 0:
                    place.events.flush()
            place.events.flush()
            await place.answered([place.leave(7, partition=1)])
            await place.holds(_REWARDS, facts)
            alone = await place.p99(seconds=_SECONDS)
            began = monotonic()
            for number in range(facts, facts + more):
                _reward(place, number)
            place.events.flush()
            slowest: list[float] = [0.0]
            watching = Thread(target=_watch_health, args=(place, slowest), daemon=True)
            watching.start()
            stored = asyncio.create_task(place.holds(_REWARDS, facts + more))
            beside = await place.p99(seconds=_SECONDS)
            took = await stored - began
    print(
        f"large account, {more:,} facts onto {facts:,} and a leave: decided after {took:.1f} s, p99 of another lane "
        f"{beside:.0f} ms, without them {alone:.0f} ms, slowest /healthz {slowest[0] * 1000:.0f} ms",
        flush=True,
    )


def _reward(place: Site, number: int) -> None:
    data = {
        "rewardId": f"R{number}",
        "customerId": 7,
        "targetGroupId": 11,
        "targetId": 21,
        "periodName": "c4",
        "allocation": "IMMEDIATE",
        "achievedAt": "2026-04-02T00:00:00Z",
    }
    place.send("RewardEarned", data, partition=1)


def _watch_health(place: Site, slowest: list[float]) -> None:
    url = f"http://{place.environment['UNENROLL_HTTP_ADDRESS']}/healthz"
    ends = monotonic() + _SECONDS
    while monotonic() < ends:
        began = monotonic()
        with suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
            answer.read()
        slowest[0] = max(slowest[0], monotonic() - began)
        time.sleep(0.1)


async def published_slowly(servers: ServerAddresses, *, leaves: int, rewards: int, rate: int) -> None:
    """So many leaves at once cancel so many rewards each; the broker takes so many bytes a second of all lanes."""
    async with site(servers) as place:
        customers = range(1, leaves + 1)
        with TemporaryDirectory() as folder:
            file = Path(folder, "facts.ndjson")
            _write_facts(file, customers, rewards)
            unenroll(place.environment, "load", str(file))
        with limited_producers(servers.kafka, rate), worker(place) as (process,):
            await place.answered([place.leave(1_000_000)])
            began = monotonic()
            asked = [place.leave(customer, partition=customer % 4) for customer in customers]
            took = await place.answered(asked) - began
            megabytes = peak_megabytes(process.pid)
        published = await place.query("select sum(octet_length(outputs)) from publications")
    print(
        f"{leaves:,} leaves that cancel {rewards} rewards each, under a quota of {rate / 1e6:g} MB/s for all lanes: "
        f"all answered after {took:.0f} s, the worker took {megabytes:.0f} MB of memory at most "
        f"(stored, compressed: {published / 1e6:.0f} MB)",
        flush=True,
    )


def _write_facts(file: Path, customers: Iterable[int], rewards: int) -> None:
    account = {"targetGroupId": 11, "targetId": 21}
    with file.open("w", encoding="utf-8") as lines:
        lines.write(json.dumps({"type": "TargetGroupDefined", "id": "spring", "data": _GROUP}) + "\n")
        for customer in customers:
            facts = [("CustomerEnrolled", "enrolled", {"enrolledAt": "2026-01-01T00:00:00Z"})]
            for number in range(rewards):
                reward = {"rewardId": f"R{number}", "periodName": "c4", "allocation": "IMMEDIATE"}
                facts.append(("RewardEarned", f"R{number}", {**reward, "achievedAt": "2026-04-02T00:00:00Z"}))
            for name, fact_id, data in facts:
                line = {"type": name, "id": fact_id, "data": {"customerId": customer, **account, **data}}
                lines.write(json.dumps(line) + "\n")


async def main(scenarios: list[Callable[[ServerAddresses], Coroutine[Any, Any, None]]]) -> None:
    """Run the scenarios one after the other, each with a database and topics of its own."""
    async with provide_servers({}, say=print) as servers:
        for scenario in scenarios:
            await scenario(servers)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=400_000, help="that wait for appended cycles")
    parser.add_argument("--rate", type=int, default=100, help="unknown names a second")
    parser.add_argument("--facts", type=int, default=10_000, help="of the large account")
    parser.add_argument("--more", type=int, default=1_000, help="facts that it gets")
    parser.add_argument("--leaves", type=int, default=1_000, help="that cancel 120 rewards each, under a quota")
    parser.add_argument("--only", choices=("unknown", "large", "quota", "appended"), help="one of the scenarios")
    chosen = parser.parse_args()
    scenarios = {
        "unknown": lambda servers: unknown(servers, rate=chosen.rate),
        "large": lambda servers: large(servers, facts=chosen.facts, more=chosen.more),
        "quota": lambda servers: published_slowly(servers, leaves=chosen.leaves, rewards=120, rate=1_000_000),
        "appended": lambda servers: appended(servers, accounts=chosen.accounts),
    }
    asyncio.run(main([scenarios[chosen.only]] if chosen.only else list(scenarios.values())))
