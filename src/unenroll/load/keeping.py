"""Chunks written with the code that lanes decide with, in one transaction each. Nothing here may publish anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import asyncpg

from unenroll.batch.fold import Fate, Fold, Kept, content_of
from unenroll.batch.gather import Gathered, account_of, gather, identity
from unenroll.core.definitions import Group, Ignored, RefusedDefinition
from unenroll.errors import RefusedError
from unenroll.load.patience import patiently
from unenroll.store.connect import transaction
from unenroll.store.definitions import Awaited, DefinitionCache, define
from unenroll.store.ledger import LedgerRow, save_ledger
from unenroll.store.saving import save_accounts
from unenroll.wire.decode import Received
from unenroll.wire.refusals import DeadLetter, Reason

DEFINITION_REFUSED = "definition_refused"

Content = Received | Group | DeadLetter


class Taken(StrEnum):
    """What became of a line that is in order."""

    DEFINITION = "definition"
    FACT = "fact"
    DUPLICATE = "duplicate"


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
        return [_taken(fate) for fate in await self._decide(facts)]

    async def _define(self, group: Group) -> Taken | DeadLetter:
        verdict = await define(self.pool, group)
        if isinstance(verdict, Awaited):
            detail = f"{verdict.accounts} accounts wait for the cycles that it appends: use `unenroll publish`"
            return DeadLetter(reason=Reason.BELONGS_ON_TOPIC, detail=detail)
        if isinstance(verdict, RefusedDefinition):
            return DeadLetter(reason=DEFINITION_REFUSED, detail=verdict.detail)
        return Taken.DUPLICATE if isinstance(verdict, Ignored) else Taken.DEFINITION

    async def _decide(self, contents: Sequence[Received | DeadLetter]) -> list[Fate]:
        received = [content for content in contents if isinstance(content, Received)]
        async with transaction(self.pool) as connection:
            gathered = await gather(connection, received, self.cache)
            now = datetime.now(UTC)
            fold = Fold(gathered=gathered, decided_at=now, limits={})
            fates = fold.take(_held_back(content, gathered) for content in contents)
            await save_accounts(connection, fold.moved())
            await save_ledger(connection, [_row(fate, now) for fate in fates if isinstance(fate, Kept)])
        return fates


def _held_back(content: Received | DeadLetter, gathered: Gathered) -> Received | DeadLetter:
    """A new fact of an account with a leave may have something to publish, so a lane has to decide it."""
    if isinstance(content, DeadLetter):
        return content
    account = gathered.accounts.get(account_of(content.event))
    if account is None or not account.state.account.leaves or identity(content) in gathered.known:
        return content
    detail = f"customer {content.event.customer_id} has left target {content.event.target_id}: use `unenroll publish`"
    return DeadLetter(reason=Reason.BELONGS_ON_TOPIC, detail=detail)


def _row(kept: Kept, decided_at: datetime) -> LedgerRow:
    return LedgerRow(
        key=kept.key,
        event_type=kept.received.event_type,
        content=content_of(kept.received),
        target_id=kept.received.event.target_id,
        outcome=kept.outcome,
        decision=kept.decision,
        place=None,
        decided_at=decided_at,
    )


def _taken(fate: Fate) -> Taken | DeadLetter:
    if isinstance(fate, DeadLetter):
        return fate
    return Taken.FACT if isinstance(fate, Kept) else Taken.DUPLICATE
