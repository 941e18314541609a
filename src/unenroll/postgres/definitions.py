"""Accepted definitions: target groups at their version, and who owns a target."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import asyncpg
from pydantic_core import from_json

from unenroll.core.definitions import Accepted, DefinitionSet, Ignored, RefusedDefinition, TargetGroup, accept
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.pool import Connection, transaction
from unenroll.postgres.queries import QUERIES
from unenroll.wire.definitions import CycleDefined, TargetDefined, TargetGroupDefined


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedRecord:
    """A record of topic `definitions` that changed nothing, and why. What could not be read names no group."""

    topic_id: str
    partition: int
    offset: int
    group_id: int | None
    version: int | None
    reason: str
    detail: str


async def save_refusal(pool: asyncpg.Pool, refused: RefusedRecord) -> None:
    """Keep it, once for each record. Raises OutageError and SetupError."""
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


_AT_ONCE = 1000


class DueSettlement(NamedTuple):
    """One account to be settled again, with at least this version of its group."""

    customer_id: int
    target_id: int
    group_id: int
    version: int
    due_at: datetime


async def due_again(pool: asyncpg.Pool, *, group: tuple[str, str], topic: str, topic_id: str) -> None:
    """Note all accounts that wait, if the topic was another one when the group read it: who was told there was not.

    `group`: its topic prefix and its id. Whoever was told is told again, and settled once. Raises OutageError.
    """
    with postgres_errors():
        await pool.execute(QUERIES["due_again"], *group, topic, topic_id)


@asynccontextmanager
async def taken_due(pool: asyncpg.Pool) -> AsyncIterator[list[DueSettlement]]:
    """At most 1,000 of them, forgotten when the block ends well. Raises OutageError, LaneLostError, SetupError."""
    async with transaction(pool) as connection:
        due = [DueSettlement(*row) for row in await connection.fetch(QUERIES["take_due"], _AT_ONCE)]
        yield due
        if due:
            columns = zip(*(one[:4] for one in due), strict=True)
            await connection.execute(QUERIES["done_due"], *(list(column) for column in columns))


def dump_group(group: TargetGroup) -> str:
    """The definition as JSON text that `load_group` reads."""
    return TargetGroupDefined.model_construct(
        target_group_id=group.group_id,
        name=group.name,
        version=group.version,
        active=group.active,
        time_zone=group.time_zone,
        cycles=[
            CycleDefined.model_construct(period_name=cycle.name, start=cycle.start, end=cycle.end)
            for cycle in group.calendar.cycles
        ],
        targets=[
            TargetDefined.model_construct(
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
    """The definition in a text of `dump_group`. Raises ValueError for any other text."""
    group = TargetGroupDefined.model_validate(from_json(text)).group()
    if isinstance(group, TargetGroup):
        return group
    raise ValueError(group.detail)


@dataclass(frozen=True, slots=True)
class DefinitionCache:
    """Groups as parsed once, by id. A version never changes, so only a newer version is read again."""

    _groups: dict[int, TargetGroup] = field(default_factory=dict)
    _owners: dict[int, int] = field(default_factory=dict)

    @property
    def known(self) -> DefinitionSet:
        """What was read up to now. There may be more by now, never less."""
        return DefinitionSet(groups=self._groups, owners=self._owners)

    async def share(
        self, connection: Connection, *, group_ids: Iterable[int], target_ids: Iterable[int]
    ) -> DefinitionSet:
        """The definitions of these groups and targets, which cannot change before the transaction ends."""
        return await self._read(connection, "share_groups", group_ids=group_ids, target_ids=target_ids)

    async def look(self, pool: asyncpg.Pool, *, group_ids: Iterable[int], target_ids: Iterable[int]) -> None:
        """Read what there is of these groups and targets now. Raises OutageError and SetupError."""
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
        """Who owns which of the targets: for ever, so only what has had no owner up to now is asked for."""
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
    """The version is in order, but accounts wait for the cycles it appends: it belongs on the topic."""

    accounts: int


async def define(
    pool: asyncpg.Pool, group: TargetGroup, *, settle_again: bool = False
) -> Accepted | Ignored | RefusedDefinition | AwaitedVersion:
    """Keep the definition if it may follow the one in force (rules.md section 4). Raises OutageError and SetupError.

    Accounts that wait for the cycles that it appends are noted to be settled again, or with `settle_again` False are
    a reason not to keep it.
    """
    async with transaction(pool) as connection:
        await connection.execute(QUERIES["one_definition_at_a_time"], group.group_id)
        definition = await connection.fetchval(QUERIES["lock_group"], group.group_id)
        old = None if definition is None else load_group(definition)
        verdict = accept(old, group)
        if not isinstance(verdict, Accepted):
            return verdict
        if old is not None and len(group.calendar.cycles) > len(old.calendar.cycles):
            waiting = await connection.fetchval(QUERIES["waiting_accounts"], group.group_id)
            if waiting and not settle_again:
                return AwaitedVersion(accounts=waiting)
            await connection.execute(QUERIES["save_due"], group.group_id, group.version)
        await connection.execute(QUERIES["save_group"], group.group_id, group.version, dump_group(group))
        await connection.execute(QUERIES["save_targets"], group.group_id, list(group.targets))
        return verdict
