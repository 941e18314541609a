"""A fact as a line tells it, with all that it is known by."""

from typing import NamedTuple

from unenroll.core.events import CustomerEnrolled, RewardEarned, RewardIssued
from unenroll.store.accounts import AccountKey
from unenroll.store.ledger import Content, EventKey
from unenroll.wire.content import CONTENT_VERSION
from unenroll.wire.identity import event_uuid
from unenroll.wire.lines import LoadedFact

Told = CustomerEnrolled | RewardEarned | RewardIssued


class Fact(NamedTuple):
    """What was told, which event it is, what the ledger compares of it, and the account that it concerns."""

    told: LoadedFact
    key: EventKey
    content: Content
    account: AccountKey


def fact(told: LoadedFact) -> Fact:
    """The fact, known by the same key as on a topic."""
    event = told.event
    return Fact(
        told=told,
        key=EventKey(event.customer_id, event_uuid(event.key)),
        content=Content(CONTENT_VERSION, told.content_hash, told.time),
        account=AccountKey(event.customer_id, event.target_id),
    )
