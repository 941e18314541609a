"""Accepted definitions: target groups at their version, and who owns a target."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import asyncpg

from unenroll.core.definitions import Accepted, Definitions, Group, Ignored, RefusedDefinition, accept
from unenroll.store.connect import Connection, transaction
from unenroll.store.outage import postgres_errors
from unenroll.store.queries import QUERIES
from unenroll.wire.stored import dump_group, load_group


@dataclass(frozen=True, slots=True)
class DefinitionCache:
    """Groups as parsed once, by id. A version never changes, so only a newer version is read again."""

    _groups: dict[int, Group] = field(default_factory=dict)
    _owners: dict[int, int] = field(default_factory=dict)

    @property
    def known(self) -> Definitions:
        """What was read up to now. There may be more by now, never less."""
        return Definitions(groups=self._groups, owners=self._owners)

    async def share(
        self, connection: Connection, *, group_ids: Iterable[int], target_ids: Iterable[int]
    ) -> Definitions:
        """The definitions of these groups and targets, which cannot change before the transaction ends."""
        return await self._read(connection, "share_groups", group_ids=group_ids, target_ids=target_ids)

    async def look(self, pool: asyncpg.Pool, *, group_ids: Iterable[int], target_ids: Iterable[int]) -> None:
        """Read what there is of these groups and targets now. Raises OutageError and SetupError."""
        with postgres_errors():
            async with pool.acquire() as connection:
                await self._read(connection, "group_versions", group_ids=group_ids, target_ids=target_ids)

    async def _read(
        self, connection: Connection, query: str, *, group_ids: Iterable[int], target_ids: Iterable[int]
    ) -> Definitions:
        owners = await self._owners_of(connection, set(target_ids))
        versions = await connection.fetch(QUERIES[query], sorted({*group_ids, *owners.values()}))
        await self._refresh(connection, {row["group_id"]: row["version"] for row in versions})
        return Definitions(groups={row["group_id"]: self._groups[row["group_id"]] for row in versions}, owners=owners)

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
class Awaited:
    """The version is in order, but accounts wait for the cycles it appends: it belongs on the topic."""

    accounts: int


async def define(
    pool: asyncpg.Pool, group: Group, *, settle_again: bool = False
) -> Accepted | Ignored | RefusedDefinition | Awaited:
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
                return Awaited(accounts=waiting)
            await connection.execute(QUERIES["save_due"], group.group_id, group.version)
        await connection.execute(QUERIES["save_group"], group.group_id, group.version, dump_group(group))
        await connection.execute(QUERIES["save_targets"], group.group_id, list(group.targets))
        return verdict
