"""What goes wrong in a year, again and again beside a soak, and what must have come of it in the end."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from threading import Event
from time import monotonic
from typing import Any

import asyncpg
from confluent_kafka import KafkaException, Producer

from benchmarks.fleet import Site
from benchmarks.workload import BEGINNING, CYCLE, PARTITIONS
from support.postgres_proxy import CuttingProxy
from support.quota import limit_producers
from unenroll.kafka.topics import INPUTS
from unenroll.wire.fields import instant_text
from unenroll.wire.topics import CARRIES

_HOT, _UNKNOWN, _WAITING = 2_000_000_000, 3_000_000_000, 4_000_000_000
_FIRST_GROUP = 1_000
_MOST_FACTS = 9_000  # of the hot account: an account may have 10,000
_PATIENCE_SECONDS = 300.0
_EARLY = instant_text(BEGINNING + timedelta(days=3))
_TOPICS = {name: topic.value for topic, names in CARRIES.items() for name in names}


@dataclass(frozen=True, kw_only=True, slots=True)
class Troubles:
    """How often each of them comes, in seconds, how many accounts wait for appended cycles, and the quota."""

    facts_a_second: int = 5
    unknown_a_second: int = 5
    foreign_seconds: float = 180
    silent_seconds: float = 240
    limited_seconds: float = 300
    appended_seconds: float = 420
    accounts: int = 10_000
    bytes_a_second: int = 200_000


@dataclass(kw_only=True)
class Trouble:
    """Makes trouble for the workers of a site, which reach Postgres through the proxy. Counts what it has sent."""

    site: Site
    proxy: CuttingProxy
    sizes: Troubles
    facts: int = 0
    unknown: int = 0
    groups: int = 0
    events: dict[str, int] = field(default_factory=dict)
    _producer: Producer = field(init=False)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        """Connect to Kafka."""
        self._producer = Producer({"bootstrap.servers": self.site.kafka, "enable.idempotence": True, "log_level": 0})

    async def begin(self) -> None:
        """Define a group with a hot account."""
        await self._define(_FIRST_GROUP, cycles=1)
        self._send("CustomerEnrolled", _HOT, _FIRST_GROUP, enrolledAt=instant_text(BEGINNING))
        self._producer.flush(30)

    def tasks(self) -> list[Awaitable[None]]:
        """All troubles, each for ever."""
        sizes = self.sizes
        return [
            _again(1.0, self._hot_and_unknown),
            _again(sizes.foreign_seconds, self._foreign_transaction),
            _again(sizes.silent_seconds, self._silent_postgres),
            _again(sizes.limited_seconds, self._limited_producers),
            _again(sizes.appended_seconds, self._appended_cycles),
        ]

    async def check(self) -> None:
        """Raise SystemExit unless all that this sent is decided as the rules say, in five minutes at most."""
        self._send("UnenrollRequested", _HOT, _FIRST_GROUP)
        self._producer.flush(30)
        await self._holds(
            "the hot account has all of its facts and has left",
            "select json_array_length(facts::json -> 4) from accounts "
            "where customer_id = $1 and exists (select from leaves where customer_id = $1 and outcome = 'UNENROLLED')",
            _HOT,
            wanted=self.facts,
        )
        await self._holds(
            "unknown names are answered",
            "select count(*) from ledger where customer_id > $1 and customer_id < $2 and outcome = 'GROUP_NOT_FOUND'",
            _UNKNOWN,
            _WAITING,
            wanted=self.unknown,
        )
        await self._holds(
            "accounts that waited for cycles have left",
            "select count(*) from leaves where customer_id > $1 and outcome = 'UNENROLLED'",
            _WAITING,
            wanted=self.groups * self.sizes.accounts,
        )
        received = ", ".join(f"{number} {name}" for name, number in sorted(self.events.items()))
        print(
            f"beside it: {self.facts:,} facts onto one account, {self.unknown:,} unknown names, {self.groups} groups "
            f"with appended cycles ({self.sizes.accounts:,} accounts each); {received}: all answered as the rules say",
            flush=True,
        )

    async def _hot_and_unknown(self) -> None:
        for _ in range(self.sizes.facts_a_second if self.facts < _MOST_FACTS else 0):
            at = instant_text(BEGINNING + CYCLE / 2)
            reward = {"rewardId": f"R{self.facts}", "periodName": "c1", "allocation": "IMMEDIATE", "achievedAt": at}
            self._send("RewardEarned", _HOT, _FIRST_GROUP, **reward)
            self.facts += 1
        for _ in range(self.sizes.unknown_a_second):
            self.unknown += 1
            self._send("UnenrollRequested", _UNKNOWN + self.unknown, _FIRST_GROUP * 1_000)
        self._producer.poll(0)

    async def _foreign_transaction(self) -> None:
        self._note("foreign transactions of 10 s")
        foreign = Producer({"bootstrap.servers": self.site.kafka, "transactional.id": "foreign", "log_level": 0})
        await asyncio.to_thread(_withhold, foreign, self.site.prefix, 10.0)

    async def _silent_postgres(self) -> None:
        self._note("times silent connections")
        self.proxy.silence()

    async def _limited_producers(self) -> None:
        self._note("quotas of 15 s")
        await asyncio.to_thread(limit_producers, self.site.kafka, self.sizes.bytes_a_second)
        await asyncio.sleep(15)
        await asyncio.to_thread(limit_producers, self.site.kafka, None)

    async def _appended_cycles(self) -> None:
        """Define a group, let one account wait for its next cycle, copy that account, and append the cycle."""
        group = _FIRST_GROUP + 1 + self.groups
        first = _WAITING + self.groups * self.sizes.accounts + 1
        await self._define(group, cycles=1)
        self._send("CustomerEnrolled", first, group, enrolledAt=instant_text(BEGINNING))
        self._producer.flush(30)
        late = instant_text(BEGINNING + CYCLE * 1.5)
        self._send("UnenrollRequested", first, group, time=late)
        self._producer.flush(30)
        await self._holds(
            "an account waits", "select count(*) from accounts where customer_id = $1 and waits", first, wanted=1
        )
        await self._query(
            "insert into accounts select customer_id + n, target_id, decisions, true, facts "
            "from accounts cross join generate_series(1, $2::bigint) as n where customer_id = $1 returning 1",
            first,
            self.sizes.accounts - 1,
        )
        await self._define(group, cycles=2)
        self.groups += 1

    async def _define(self, group: int, *, cycles: int) -> None:
        periods = [
            {
                "periodName": f"c{number + 1}",
                "start": instant_text(BEGINNING + number * CYCLE),
                "end": instant_text(BEGINNING + (number + 1) * CYCLE),
            }
            for number in range(cycles)
        ]
        data = {
            "targetGroupId": group,
            "name": f"Group {group}",
            "version": cycles,
            "active": True,
            "timeZone": "UTC",
            "cycles": periods,
            "targets": [{"targetId": group, "name": "Hot", "kind": "MILESTONE"}],
        }
        self._produce("TargetGroupDefined", group, data)
        await asyncio.to_thread(self._producer.flush, 30)

    def _send(self, name: str, customer: int, group: int, *, time: str = _EARLY, **data: object) -> None:
        account = {"customerId": customer, "targetGroupId": group, "targetId": group}
        self._produce(name, customer, {**account, **data}, time=time)

    def _produce(self, name: str, key: int, data: dict[str, Any], *, time: str = _EARLY) -> None:
        headers = {"specversion": "1.0", "type": f"unenroll.{name}.v1", "source": "/trouble"}
        headers |= {"id": str(next(self._numbers)), "time": time}
        self._producer.produce(
            self.site.prefix + _TOPICS[name],
            key=str(key),
            value=json.dumps(data),
            headers=[(f"ce_{name}", value.encode()) for name, value in headers.items()],
            partition=-1 if name == "TargetGroupDefined" else key % PARTITIONS,
        )

    def _note(self, name: str) -> None:
        self.events[name] = self.events.get(name, 0) + 1

    async def _holds(self, what: str, query: str, *arguments: object, wanted: int) -> None:
        ends = monotonic() + _PATIENCE_SECONDS
        while (found := await self._query(query, *arguments)) != wanted:
            if monotonic() > ends:
                raise SystemExit(f"not so: {what}; found {found} of {wanted}")
            await asyncio.sleep(1)

    async def _query(self, query: str, *arguments: object) -> Any:  # noqa: ANN401 - a value of Postgres
        connection = await asyncpg.connect(self.site.environment["UNENROLL_DATABASE_URL"])
        try:
            return await connection.fetchval(query, *arguments, timeout=60)
        finally:
            await connection.close()


async def _again(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """The work again and again, so many seconds between its beginnings; the first time after half of them."""
    await asyncio.sleep(seconds / 2)
    while True:
        began = monotonic()
        await work()
        await asyncio.sleep(max(0.0, began + seconds - monotonic()))


def _withhold(foreign: Producer, prefix: str, seconds: float) -> None:
    """Keep a transaction open on all input partitions for so long."""
    try:
        foreign.init_transactions(30)
        foreign.begin_transaction()
        for place in _places(prefix):
            foreign.produce(place[0], b"never committed", partition=place[1])
        foreign.flush(10)
        Event().wait(seconds)
        foreign.abort_transaction(30)
    except KafkaException as error:
        raise SystemExit(f"the foreign transaction failed: {error}") from error


def _places(prefix: str) -> Iterable[tuple[str, int]]:
    return ((prefix + word, number) for word in INPUTS for number in range(PARTITIONS))
