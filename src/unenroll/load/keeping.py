"""Chunks written in one transaction each, as the lanes would have decided them. Nothing here may publish anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from unenroll.core.definitions import Group, Ignored, RefusedDefinition
from unenroll.errors import RefusedError
from unenroll.load.additions import Additions, Taken, Verdict
from unenroll.load.fact import Fact
from unenroll.load.gather import gather
from unenroll.load.patience import patiently
from unenroll.store.accounts import save_accounts
from unenroll.store.connect import transaction
from unenroll.store.definitions import Awaited, DefinitionCache, define
from unenroll.store.ledger import LedgerRow, save_ledger
from unenroll.wire.refusals import DeadLetter, Reason

DEFINITION_REFUSED = "definition_refused"

Content = Fact | Group | DeadLetter


@dataclass(frozen=True, kw_only=True, slots=True)
class Keeping:
    """What all chunks of a load share."""

    pool: asyncpg.Pool
    cache: DefinitionCache

    async def keep(self, contents: Sequence[Content]) -> list[Taken | DeadLetter]:
        """What becomes of each: what the database refuses is found by halves. Raises OutageError and SetupError."""
        try:
            return await patiently(lambda: self._once(contents))
        except RefusedError as refused:
            if len(contents) == 1:
                return [DeadLetter(reason=Reason.REFUSED_BY_DATABASE, detail=str(refused))]
        middle = len(contents) // 2
        return [*await self.keep(contents[:middle]), *await self.keep(contents[middle:])]

    async def _once(self, contents: Sequence[Content]) -> list[Taken | DeadLetter]:
        first = contents[0]
        if isinstance(first, Group):
            return [await self._define(first)]
        facts = [content for content in contents if not isinstance(content, Group)]
        return [_taken(verdict) for verdict in await self._add(facts)]

    async def _define(self, group: Group) -> Taken | DeadLetter:
        verdict = await define(self.pool, group)
        if isinstance(verdict, Awaited):
            detail = f"{verdict.accounts} accounts wait for the cycles that it appends: use `unenroll publish`"
            return DeadLetter(reason=Reason.BELONGS_ON_TOPIC, detail=detail)
        if isinstance(verdict, RefusedDefinition):
            return DeadLetter(reason=DEFINITION_REFUSED, detail=verdict.detail)
        return Taken.DUPLICATE if isinstance(verdict, Ignored) else Taken.DEFINITION

    async def _add(self, contents: Sequence[Fact | DeadLetter]) -> list[Verdict]:
        async with transaction(self.pool) as connection:
            facts = [content for content in contents if isinstance(content, Fact)]
            gathered = await gather(connection, facts, self.cache)
            additions = Additions(gathered=gathered, decided_at=datetime.now(UTC))
            verdicts = additions.take(contents)
            await save_accounts(connection, additions.changed(), now=additions.decided_at)
            await save_ledger(connection, [verdict for verdict in verdicts if isinstance(verdict, LedgerRow)])
        return verdicts


def _taken(verdict: Verdict) -> Taken | DeadLetter:
    return Taken.FACT if isinstance(verdict, LedgerRow) else verdict
