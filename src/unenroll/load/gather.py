"""What the facts of a chunk need to know. What was loaded before is found without a lock: repeating is quick."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from unenroll.batch.gather import groups_of
from unenroll.core.definitions import Definitions
from unenroll.load.fact import Fact
from unenroll.store.accounts import AccountKey, KnownAccount, lock_accounts
from unenroll.store.connect import Connection
from unenroll.store.definitions import DefinitionCache
from unenroll.store.erased import Until, erased_among
from unenroll.store.ledger import Content, EventKey, known_events

_NO_DEFINITIONS = Definitions(groups={}, owners={})


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """What the ledger knows of the facts, and what the new ones concern, locked until the transaction ends.

    `erased` has those of the customers who were erased.
    """

    known: Mapping[EventKey, Content]
    erased: Until = field(default_factory=dict)
    definitions: Definitions = _NO_DEFINITIONS
    accounts: Mapping[AccountKey, KnownAccount]


async def gather(connection: Connection, facts: Sequence[Fact], cache: DefinitionCache) -> Gathered:
    """Look the facts up, and lock and read what the new ones concern."""
    known = await _known(connection, facts)
    new = [fact for fact in facts if fact.key not in known]
    if not new:
        return Gathered(known=known, accounts={})
    erased = await erased_among(connection, (fact.key.customer_id for fact in new))
    events = [fact.told.event for fact in new]
    definitions = await cache.share(
        connection, group_ids=groups_of(events), target_ids={event.target_id for event in events}
    )
    accounts = await lock_accounts(
        connection, {fact.account for fact in new if fact.account.target_id in definitions.owners}
    )
    # A lane may have decided some of them until we had the lock.
    known |= await _known(connection, [fact for fact in new if fact.account in accounts])
    return Gathered(known=known, erased=erased, definitions=definitions, accounts=accounts)


async def _known(connection: Connection, facts: Sequence[Fact]) -> dict[EventKey, Content]:
    return await known_events(connection, (fact.key for fact in facts)) if facts else {}
