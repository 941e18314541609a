"""What goes wrong in a year, again and again beside a soak, and what must have come of it in the end."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from benchmarks.databases import fetch_value
from benchmarks.event_producer import EventProducer
from benchmarks.fleet import Site
from benchmarks.workload import BEGINNING, CYCLE, PARTITIONS, periods
from support.foreign_transaction import withhold_records
from support.postgres_proxy import CuttingProxy
from support.quota import limited_producers
from unenroll.wire.fields import instant_text

_HOT, _UNKNOWN, _WAITING = 2_000_000_000, 3_000_000_000, 4_000_000_000
_FIRST_GROUP = 1_000
_MOST_FACTS = 9_000  # of the hot account: an account may have 10,000
_PATIENCE_SECONDS = 300.0
_EARLY = BEGINNING + timedelta(days=3)
_FOREIGN_SECONDS = 10.0
_LIMITED_SECONDS = 15.0


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
    _producer: EventProducer = field(init=False)

    def __post_init__(self) -> None:
        """Connect to Kafka."""
        self._producer = EventProducer(kafka=self.site.kafka, prefix=self.site.prefix, source="/trouble")

    async def begin(self) -> None:
        """Define a group with a hot account."""
        await self._define(_FIRST_GROUP, cycles=1)
        self._send("CustomerEnrolled", _HOT, _FIRST_GROUP, enrolledAt=instant_text(BEGINNING))
        self._producer.flush()

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """All troubles, each for ever; the first time after half of the seconds between them."""
        sizes = self.sizes
        troubles = {
            self._hot_and_unknown: 1.0,
            self._foreign_transaction: sizes.foreign_seconds,
            self._silent_postgres: sizes.silent_seconds,
            self._limited_producers: sizes.limited_seconds,
            self._appended_cycles: sizes.appended_seconds,
        }
        return [again(seconds, trouble, first_after=seconds / 2) for trouble, seconds in troubles.items()]

    async def check(self) -> None:
        """Raise SystemExit unless all that this sent is decided as the rules say, in five minutes at most."""
        self._send("UnenrollRequested", _HOT, _FIRST_GROUP)
        self._producer.flush()
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
        noted = ", ".join(f"{number} {name}" for name, number in sorted(self.events.items()))
        print(
            f"beside it: {self.facts:,} facts onto one account, {self.unknown:,} unknown names, {self.groups} groups "
            f"with appended cycles ({self.sizes.accounts:,} accounts each); {noted}: all answered as the rules say",
            flush=True,
        )

    async def _hot_and_unknown(self) -> None:
        for _ in range(self.sizes.facts_a_second if self.facts < _MOST_FACTS else 0):
            at = instant_text(BEGINNING + CYCLE / 2)
            reward: dict[str, Any] = {
                "rewardId": f"R{self.facts}",
                "periodName": "c1",
                "allocation": "IMMEDIATE",
                "achievedAt": at,
            }
            self._send("RewardEarned", _HOT, _FIRST_GROUP, **reward)
            self.facts += 1
        for _ in range(self.sizes.unknown_a_second):
            self.unknown += 1
            self._send("UnenrollRequested", _UNKNOWN + self.unknown, _FIRST_GROUP * 1_000)

    async def _foreign_transaction(self) -> None:
        self._note(f"foreign transactions of {_FOREIGN_SECONDS:.0f} s")
        await asyncio.to_thread(withhold_records, self.site.kafka, self.site.prefix, seconds=_FOREIGN_SECONDS)

    async def _silent_postgres(self) -> None:
        self._note("times silent connections")
        self.proxy.silence()

    async def _limited_producers(self) -> None:
        self._note(f"quotas of {_LIMITED_SECONDS:.0f} s")
        with limited_producers(self.site.kafka, self.sizes.bytes_a_second):
            await asyncio.sleep(_LIMITED_SECONDS)

    async def _appended_cycles(self) -> None:
        """Define a group, let one account wait for its next cycle, copy that account, and append the cycle."""
        group = _FIRST_GROUP + 1 + self.groups
        first = _WAITING + self.groups * self.sizes.accounts + 1
        await self._define(group, cycles=1)
        self._send("CustomerEnrolled", first, group, enrolledAt=instant_text(BEGINNING))
        self._producer.flush()
        late = BEGINNING + CYCLE * 1.5
        self._send("UnenrollRequested", first, group, time=late)
        self._producer.flush()
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
        data = {
            "targetGroupId": group,
            "name": f"Group {group}",
            "version": cycles,
            "active": True,
            "timeZone": "UTC",
            "cycles": periods(cycles),
            "targets": [{"targetId": group, "name": "Hot", "kind": "MILESTONE"}],
        }
        self._producer.send("TargetGroupDefined", data, time=_EARLY)
        await asyncio.to_thread(self._producer.flush)

    def _send(self, name: str, customer: int, group: int, *, time: datetime = _EARLY, **data: object) -> None:
        account = {"customerId": customer, "targetGroupId": group, "targetId": group}
        self._producer.send(name, {**account, **data}, time=time, partition=customer % PARTITIONS)

    def _note(self, name: str) -> None:
        self.events[name] = self.events.get(name, 0) + 1

    async def _holds(self, what: str, query: str, *arguments: object, wanted: int) -> None:
        ends = monotonic() + _PATIENCE_SECONDS
        while (found := await self._query(query, *arguments)) != wanted:
            if monotonic() > ends:
                raise SystemExit(f"not so: {what}; found {found} of {wanted}")
            await asyncio.sleep(1)

    async def _query(self, query: str, *arguments: object) -> Any:  # noqa: ANN401 - a value of Postgres
        return await fetch_value(self.site.environment["UNENROLL_DATABASE_URL"], query, *arguments)


async def again(seconds: float, work: Callable[[], Awaitable[None]], *, first_after: float = 0.0) -> None:
    """The work again and again, so many seconds between its beginnings."""
    await asyncio.sleep(first_after)
    while True:
        began = monotonic()
        await work()
        await asyncio.sleep(max(0.0, began + seconds - monotonic()))
