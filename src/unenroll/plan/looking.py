"""What a page of requests needs to know, looked at without holding up anybody."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from unenroll.batch.gather import Gathered, account_of, groups_of, identity
from unenroll.core.definitions import Definitions
from unenroll.core.events import Event
from unenroll.errors import UnenrollError
from unenroll.load.patience import patiently
from unenroll.plan.foreseeing import Foreseeing
from unenroll.plan.meanwhile import Meanwhile
from unenroll.store.definitions import DefinitionCache
from unenroll.store.plans import see
from unenroll.wire.due import SettlementDue
from unenroll.wire.planned import Request


@dataclass(kw_only=True, slots=True)
class Looking:
    """`versions` has that of each group as it was seen, None: nobody has defined it."""

    pool: asyncpg.Pool
    meanwhile: Meanwhile
    now: datetime
    versions: dict[int, int | None] = field(default_factory=dict)
    _cache: DefinitionCache = field(default_factory=DefinitionCache)

    async def foreseeing(self, requests: Sequence[Request]) -> Foreseeing:
        """All that these requests concern, as it is behind those before them.

        Raises OutageError and SetupError, and UnenrollError if a group was defined anew since it was first seen.
        """
        received = [request.received for request in requests]
        definitions = await self._defined([one.event for one in received])
        accounts = {account_of(one.event) for one in received}
        events = [identity(one) for one in received]
        foreseen = self.meanwhile.accounts(accounts)
        untouched = accounts - foreseen.keys()
        seen = await patiently(lambda: see(self.pool, accounts=untouched, events=events))
        gathered = Gathered(
            definitions=definitions,
            accounts=seen.accounts | {key: one.account for key, one in foreseen.items()},
            known=self.meanwhile.known(events) | seen.known,
        )
        return Foreseeing(
            gathered=gathered, erased=seen.erased, last={key: one.last for key, one in foreseen.items()}, now=self.now
        )

    @property
    def definitions(self) -> Definitions:
        """All that were seen."""
        return self._cache.known

    async def _defined(self, events: Sequence[Event | SettlementDue]) -> Definitions:
        groups, targets = groups_of(events), {event.target_id for event in events}
        await patiently(lambda: self._cache.look(self.pool, group_ids=groups, target_ids=targets))
        self._hold_versions(groups)
        return self.definitions

    def _hold_versions(self, named: Iterable[int]) -> None:
        groups = self.definitions.groups
        now = {group_id: group.version if (group := groups.get(group_id)) else None for group_id in {*named, *groups}}
        for group_id, version in now.items():
            if self.versions.setdefault(group_id, version) != version:
                raise UnenrollError(f"target group {group_id} was defined anew meanwhile; plan again")
