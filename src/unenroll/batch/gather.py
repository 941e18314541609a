"""What a batch needs to know: definitions, accounts, and which of its events were seen before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unenroll.core.definitions import Definitions
from unenroll.core.events import Event, RewardIssued
from unenroll.store.accounts import AccountKey, KnownAccount, lock_accounts
from unenroll.store.connect import Connection
from unenroll.store.definitions import DefinitionCache
from unenroll.store.ledger import Content, EventKey, known_events
from unenroll.wire.decode import Received
from unenroll.wire.due import SettlementDue


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """All of it, locked until the transaction ends. An account that is not among them was never heard of."""

    definitions: Definitions
    accounts: dict[AccountKey, KnownAccount]
    known: dict[EventKey, Content]


async def gather(connection: Connection, received: Sequence[Received], cache: DefinitionCache) -> Gathered:
    """Lock and read what the events concern."""
    events = [reading.event for reading in received]
    definitions = await cache.share(
        connection, group_ids=groups_of(events), target_ids={event.target_id for event in events}
    )
    concerned = {account_of(event) for event in events if event.target_id in definitions.owners}
    accounts = await lock_accounts(connection, concerned)
    known = await known_events(connection, map(identity, received))
    return Gathered(definitions=definitions, accounts=accounts, known=known)


def account_of(event: Event | SettlementDue) -> AccountKey:
    """The account that an event concerns."""
    return AccountKey(event.customer_id, event.target_id)


def identity(received: Received) -> EventKey:
    """Who an event is: the same customer, source and id are the same event, at whatever offset."""
    return EventKey(received.event.customer_id, received.event_key)


def groups_of(events: Iterable[Event | SettlementDue]) -> set[int]:
    """The groups that the events name."""
    return {event.group_id for event in events if not isinstance(event, RewardIssued)}
