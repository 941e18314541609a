"""Read and write target groups, refused definitions, and the accounts to settle again after a new definition."""

from collections.abc import AsyncIterator, Iterable
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


_MAX_DUE = 1000


class DueSettlement(NamedTuple):
    """An account to settle again, with at least this version of its group."""

    customer_id: int
    target_id: int
    group_id: int
    version: int
    due_at: datetime


async def save_due_again(pool: asyncpg.Pool, *, group: tuple[str, str], topic: str, topic_id: str) -> None:
    """Save all waiting accounts as due again, if the group has read a topic of this name with another id.

    The SettlementDue events for them may have been on the deleted topic. Publishing an event twice is harmless: it
    settles the account once. `group` is a topic prefix and a group id. Raises OutageError.
    """
    with postgres_errors():
        await pool.execute(QUERIES["save_due_again"], *group, topic, topic_id)


@asynccontextmanager
async def due_settlements(pool: asyncpg.Pool) -> AsyncIterator[list[DueSettlement]]:
    """Yield up to 1,000 accounts to settle again, and delete them if the block succeeds.

    Raises OutageError, LaneLostError and SetupError.
    """
    async with transaction(pool) as connection:
        due = [DueSettlement(*row) for row in await connection.fetch(QUERIES["lock_due"], _MAX_DUE)]
        yield due
        if due:
            columns = zip(*(one[:4] for one in due), strict=True)
            await connection.execute(QUERIES["delete_due"], *(list(column) for column in columns))


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


@dataclass(frozen=True, slots=True)
class DefinitionCache:
    """Caches parsed groups. It reads a group again only if its version has changed."""

    _groups: dict[int, TargetGroup] = field(default_factory=dict)
    _owners: dict[int, int] = field(default_factory=dict)

    @property
    def cached(self) -> DefinitionSet:
        """All definitions that were read up to now. The database may have more."""
        return DefinitionSet(groups=self._groups, owners=self._owners)

    async def lock(
        self, connection: Connection, *, group_ids: Iterable[int], target_ids: Iterable[int]
    ) -> DefinitionSet:
        """Return the definitions of these groups and targets, and lock them until the transaction ends."""
        return await self._read(connection, "lock_group_versions", group_ids=group_ids, target_ids=target_ids)

    async def refresh(self, pool: asyncpg.Pool, *, group_ids: Iterable[int], target_ids: Iterable[int]) -> None:
        """Read the current definitions of these groups and targets. Raises OutageError and SetupError."""
        with postgres_errors():
            async with pool.acquire() as connection:
                await self._read(connection, "group_versions", group_ids=group_ids, target_ids=target_ids)

    async def _read(
        self, connection: Connection, query: str, *, group_ids: Iterable[int], target_ids: Iterable[int]
    ) -> DefinitionSet:
        owners = await self._owners_of(connection, set(target_ids))
        versions = await connection.fetch(QUERIES[query], sorted({*group_ids, *owners.values()}))
        await self._refresh(connection, {row["group_id"]: row["version"] for row in versions})
        return DefinitionSet(groups={row["group_id"]: self._groups[row["group_id"]] for row in versions}, owners=owners)

    async def _owners_of(self, connection: Connection, target_ids: set[int]) -> dict[int, int]:
        """Return the owners of the targets. An owner never changes, so it is queried only if it is not cached."""
        unknown = target_ids - self._owners.keys()
        if unknown:
            rows = await connection.fetch(QUERIES["target_owners"], sorted(unknown))
            self._owners.update({row["target_id"]: row["group_id"] for row in rows})
        return {target_id: self._owners[target_id] for target_id in target_ids if target_id in self._owners}

    async def _refresh(self, connection: Connection, versions: dict[int, int]) -> None:
        stale = [
            group_id
            for group_id, version in versions.items()
            if group_id not in self._groups or self._groups[group_id].version != version
        ]
        if stale:
            for row in await connection.fetch(QUERIES["group_definitions"], stale):
                self._groups[row["group_id"]] = load_group(row["definition"])


@dataclass(frozen=True, kw_only=True, slots=True)
class AwaitedVersion:
    """The version is valid, but accounts wait for the cycles that it appends: publish it on topic `definitions`."""

    accounts: int


async def define(
    pool: asyncpg.Pool, group: TargetGroup, *, settle_again: bool = False
) -> AcceptedDefinition | IgnoredDefinition | RefusedDefinition | AwaitedVersion:
    """Save the definition if it may follow the current one (rules.md section 4). Raises OutageError and SetupError.

    If accounts wait for the cycles that it appends, `settle_again` saves them as due. Without it, such a definition is
    not saved and the result is AwaitedVersion.
    """
    async with transaction(pool) as connection:
        await connection.execute(QUERIES["lock_definition"], group.group_id)
        definition = await connection.fetchval(QUERIES["lock_group"], group.group_id)
        old = None if definition is None else load_group(definition)
        verdict = check_definition(old, group)
        if not isinstance(verdict, AcceptedDefinition):
            return verdict
        if old is not None and len(group.calendar.cycles) > len(old.calendar.cycles):
            waiting = await connection.fetchval(QUERIES["waiting_accounts"], group.group_id)
            if waiting and not settle_again:
                return AwaitedVersion(accounts=waiting)
            await connection.execute(QUERIES["save_due"], group.group_id, group.version)
        await connection.execute(QUERIES["save_group"], group.group_id, group.version, dump_group(group))
        await connection.execute(QUERIES["save_targets"], group.group_id, list(group.targets))
        return verdict
