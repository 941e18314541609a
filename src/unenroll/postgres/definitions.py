"""Read and write target groups, refused definitions, and the accounts to settle again after a new definition."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import asyncpg
from pydantic_core import from_json

from unenroll.core.definitions import (
    AcceptedDefinition,
    DefinitionSet,
    IgnoredDefinition,
    RefusedDefinition,
    TargetGroup,
    check_definition,
)
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.pool import Connection, transaction
from unenroll.postgres.queries import QUERIES
from unenroll.wire.definitions import CycleDefinition, TargetDefinition, TargetGroupDefined


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedRecord:
    """A record of topic `definitions` that was refused, and why. `group_id` is None if the record is not readable."""

    topic_id: str
    partition: int
    offset: int
    group_id: int | None
    version: int | None
    reason: str
    detail: str


async def save_refusal(pool: asyncpg.Pool, refused: RefusedRecord) -> None:
    """Save the refusal, once for each record. Raises OutageError and SetupError."""
    with postgres_errors():
        await pool.execute(
            QUERIES["save_refusal"],
            refused.topic_id,
            refused.partition,
            refused.offset,
            refused.group_id,
            refused.version,
            refused.reason,
            refused.detail,
        )


PAGE_ACCOUNTS = 1000
"""The maximum number of accounts in a page of a resettlement."""


class DuePage(NamedTuple):
    """Accounts of a group, as (customer, target), to settle again with this version of its definition."""

    group_id: int
    version: int
    accepted_at: datetime
    accounts: list[tuple[int, int]]


async def begin_all_resettlements(pool: asyncpg.Pool, *, group: tuple[str, str], topic: str, topic_id: str) -> None:
    """Settle all waiting accounts again, if the group has read a topic of this name with another id.

    The SettlementDue events for them may have been on the deleted topic. Publishing an event twice is harmless: it
    settles the account once. `group` is a topic prefix and a group id. Raises OutageError.
    """
    with postgres_errors():
        await pool.execute(QUERIES["begin_all_resettlements"], *group, topic, topic_id)


async def has_resettlements(pool: asyncpg.Pool) -> bool:
    """Return whether a group has accounts to settle again. Raises OutageError and SetupError."""
    with postgres_errors():
        found: bool = await pool.fetchval(QUERIES["has_resettlements"])
        return found


@asynccontextmanager
async def due_page(pool: asyncpg.Pool) -> AsyncIterator[DuePage | None]:
    """Yield the next accounts to settle again, and move on behind them if the block succeeds. None: there are none.

    An empty page ends a target or a group. Raises OutageError, LaneLostError and SetupError.
    """
    async with transaction(pool) as connection:
        row = await connection.fetchrow(QUERIES["lock_resettlement"])
        if row is None:
            yield None
            return
        group_id, target_id, customer_id, version, accepted_at = row
        customers = await connection.fetch(QUERIES["waiting_customers"], target_id, customer_id, PAGE_ACCOUNTS)
        accounts = [(one["customer_id"], target_id) for one in customers]
        yield DuePage(group_id, version, accepted_at, accounts)
        if len(accounts) == PAGE_ACCOUNTS:
            await connection.execute(QUERIES["move_resettlement"], group_id, target_id, accounts[-1][0])
            return
        next_target = await connection.fetchval(QUERIES["next_target"], group_id, target_id)
        if next_target is None:
            await connection.execute(QUERIES["end_resettlement"], group_id)
        else:
            await connection.execute(QUERIES["move_resettlement"], group_id, next_target, 0)


async def definition_positions(pool: asyncpg.Pool, topic_id: str) -> dict[int, int]:
    """Return up to which offset each partition of the topic is stored. Raises OutageError and SetupError."""
    with postgres_errors():
        return _pairs(await pool.fetch(QUERIES["definition_positions"], topic_id))


async def save_definition_positions(pool: asyncpg.Pool, topic_id: str, positions: Mapping[int, int]) -> None:
    """Save up to which offset the partitions are stored. Raises OutageError and SetupError."""
    with postgres_errors():
        columns = list(positions), list(positions.values())
        await pool.execute(QUERIES["save_definition_positions"], topic_id, *columns)


def _pairs(rows: Iterable[asyncpg.Record]) -> dict[int, int]:
    """Return the rows of two columns as a mapping from the first to the second."""
    return {row[0]: row[1] for row in rows}


def dump_group(group: TargetGroup) -> str:
    """Return the definition as JSON text for `load_group`."""
    return TargetGroupDefined.model_construct(
        target_group_id=group.group_id,
        name=group.name,
        version=group.version,
        active=group.active,
        time_zone=group.time_zone,
        cycles=[
            CycleDefinition.model_construct(period_name=cycle.name, start=cycle.start, end=cycle.end)
            for cycle in group.calendar.cycles
        ],
        targets=[
            TargetDefinition.model_construct(
                target_id=target.target_id,
                name=target.name,
                kind=target.kind,
                active=target.active,
                enrollment=target.enrollment,
                levels=list(target.levels),
            )
            for target in group.targets.values()
        ],
    ).model_dump_json(by_alias=True)


def load_group(text: str) -> TargetGroup:
    """Return the definition in a text of `dump_group`. Raises ValueError for any other text."""
    group = TargetGroupDefined.model_validate(from_json(text)).to_group()
    if isinstance(group, TargetGroup):
        return group
    raise ValueError(group.detail)


MAX_CACHED_CYCLES = 100_000
"""The maximum number of cycles in the cache, some 230 bytes each. A single group may have more."""

_MAX_CACHED_OWNERS = 100_000


@dataclass(frozen=True, slots=True)
class DefinitionCache:
    """Caches the parsed groups that were used last. It reads a group again only if its version has changed."""

    _groups: OrderedDict[int, TargetGroup] = field(default_factory=OrderedDict)
    _owners: dict[int, int] = field(default_factory=dict)

    @property
    def cached(self) -> DefinitionSet:
        """The definitions in the cache. The database may have more."""
        return DefinitionSet(groups=self._groups, owners=self._owners)

    async def lock(
        self, connection: Connection, *, group_ids: Iterable[int], target_ids: Iterable[int]
    ) -> DefinitionSet:
        """Return the definitions of these groups and targets, and lock them until the transaction ends."""
        return await self._read(connection, "lock_group_versions", group_ids=group_ids, target_ids=target_ids)

    async def read(self, pool: asyncpg.Pool, *, group_ids: Iterable[int], target_ids: Iterable[int]) -> DefinitionSet:
        """Return the current definitions of these groups and targets. Raises OutageError and SetupError."""
        with postgres_errors():
            async with pool.acquire() as connection:
                return await self._read(connection, "group_versions", group_ids=group_ids, target_ids=target_ids)

    async def _read(
        self, connection: Connection, query: str, *, group_ids: Iterable[int], target_ids: Iterable[int]
    ) -> DefinitionSet:
        owners = await self._owners_of(connection, set(target_ids))
        versions = _pairs(await connection.fetch(QUERIES[query], sorted({*group_ids, *owners.values()})))
        groups = {group_id: self._groups[group_id] for group_id in versions if self._is_cached(group_id, versions)}
        stale = sorted(versions.keys() - groups.keys())
        for row in await connection.fetch(QUERIES["group_definitions"], stale) if stale else ():
            groups[row["group_id"]] = load_group(row["definition"])
            await asyncio.sleep(0)  # a group of 400 cycles takes some 10 ms to parse
        self._keep(groups)
        return DefinitionSet(groups=groups, owners=owners)

    def _is_cached(self, group_id: int, versions: Mapping[int, int]) -> bool:
        return group_id in self._groups and self._groups[group_id].version == versions[group_id]

    async def _owners_of(self, connection: Connection, target_ids: set[int]) -> dict[int, int]:
        """Return the owners of the targets. An owner never changes, so it is queried only if it is not cached."""
        owners = {target_id: self._owners[target_id] for target_id in target_ids if target_id in self._owners}
        unknown = target_ids - owners.keys()
        if unknown:
            found = _pairs(await connection.fetch(QUERIES["target_owners"], sorted(unknown)))
            owners.update(found)
            if len(self._owners) + len(found) > _MAX_CACHED_OWNERS:
                self._owners.clear()
            self._owners.update(found)
        return owners

    def _keep(self, groups: Mapping[int, TargetGroup]) -> None:
        """Cache these groups as the ones used last, and drop the ones that were not used for longest."""
        for group_id, group in groups.items():
            self._groups[group_id] = group
            self._groups.move_to_end(group_id)
        cycles = sum(len(group.calendar.cycles) for group in self._groups.values())
        while cycles > MAX_CACHED_CYCLES and len(self._groups) > 1:
            _, dropped = self._groups.popitem(last=False)
            cycles -= len(dropped.calendar.cycles)


async def define(
    pool: asyncpg.Pool, group: TargetGroup, *, settle_again: bool = False
) -> AcceptedDefinition | IgnoredDefinition | RefusedDefinition | None:
    """Save the definition if it may follow the current one (rules.md section 4). Raises OutageError and SetupError.

    If accounts wait for the cycles that it appends, `settle_again` begins to settle them again. Without it, such a
    definition is valid but not saved, and the result is None: publish it on topic `definitions`.
    """
    text = dump_group(group)
    async with transaction(pool) as connection:
        await connection.execute(QUERIES["lock_definition"], group.group_id)
        row = await connection.fetchrow(QUERIES["lock_group"], group.group_id)
        if row is not None and (group.version < row["version"] or row["definition"] == text):
            return IgnoredDefinition()  # without parsing the old one: a restored topic has many of them
        old = None if row is None else load_group(row["definition"])
        verdict = check_definition(old, group)
        if not isinstance(verdict, AcceptedDefinition):
            return verdict
        appends = old is not None and len(group.calendar.cycles) > len(old.calendar.cycles)
        if appends and not settle_again and await connection.fetchval(QUERIES["group_waits"], group.group_id):
            return None
        await connection.execute(QUERIES["save_group"], group.group_id, group.version, text)
        await connection.execute(QUERIES["save_targets"], group.group_id, list(group.targets))
        if appends and settle_again:
            await connection.execute(QUERIES["begin_resettlement"], group.group_id)
        return verdict
