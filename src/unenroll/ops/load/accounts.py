"""What the facts of a chunk add to their accounts: a verdict on each in order, and each account settled once. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from unenroll.core.admission import Misplaced, Placed, contradiction, place
from unenroll.core.decide import AccountState, resettle
from unenroll.core.definitions import DefinitionSet, TargetGroup
from unenroll.core.events import AccountKey, CustomerEnrolled, EventId, EventKey, RewardEarned, RewardIssued
from unenroll.core.facts import Enrollment, Reward
from unenroll.postgres.accounts import AccountChanges, KnownAccount, changed, lock_accounts, unknown_accounts
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.erasure import Until, erased_among, is_before
from unenroll.postgres.ledger import NOWHERE, EventContent, LedgerRow, known_events
from unenroll.postgres.pool import Connection
from unenroll.wire.content_hash import CONTENT_VERSION
from unenroll.wire.data_subjects import happened_at
from unenroll.wire.encode import event_uuid
from unenroll.wire.ndjson import LoadedFact
from unenroll.wire.reasons import DeadLetter, Reason, id_conflict, of_misplaced
from unenroll.worker.batch import groups_of

Told = CustomerEnrolled | RewardEarned | RewardIssued


class NewFact(NamedTuple):
    """What was told, which event it is, what the ledger compares of it, and the account that it concerns."""

    told: LoadedFact
    key: EventKey
    content: EventContent
    account: AccountKey


def fact(told: LoadedFact) -> NewFact:
    """The fact, known by the same key as on a topic."""
    event = told.event
    return NewFact(
        told=told,
        key=EventKey(event.customer_id, event_uuid(event.key)),
        content=EventContent(CONTENT_VERSION, told.content_hash, told.time),
        account=AccountKey(event.customer_id, event.target_id),
    )


@dataclass(kw_only=True, slots=True)
class AccountBuilder:
    """The account as it was, and the facts of some more decisions."""

    before: KnownAccount
    decisions: int = field(init=False)
    _enrollments: dict[EventId, Enrollment] = field(init=False)
    _rewards: dict[str, Reward] = field(init=False)
    _issued: dict[str, datetime] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with what was known."""
        account = self.before.state.account
        self.decisions = self.before.decisions
        self._enrollments = {enrollment.key: enrollment for enrollment in account.enrollments}
        self._rewards = {reward.reward_id: reward for reward in account.rewards}
        self._issued = dict(account.issued)

    def learn(self, event: Told, placed: Placed) -> DeadLetter | None:
        """Decide that the fact is one of the account's, unless another one contradicts it: then the reason."""
        if isinstance(placed, Reward):
            known = self._rewards.setdefault(placed.reward_id, placed)
            contradicted = contradiction(placed, known, customer_id=event.customer_id)
            if contradicted is not None:
                return of_misplaced(contradicted)
        if isinstance(placed, Enrollment):
            self._enrollments.setdefault(placed.key, placed)
        if not isinstance(event, CustomerEnrolled) and event.issued_at is not None:
            self._issued.setdefault(event.reward_id, event.issued_at)
        self.decisions += 1
        return None

    def settled(self, owner: TargetGroup) -> KnownAccount:
        """The account with all its facts, settled once: the same as after each of them (rules.md, "Words").

        Raises ValueError where that publishes something, as it may once somebody left.
        """
        before = self.before.state
        account = before.account._replace(
            enrollments=tuple(self._enrollments.values()),
            rewards=tuple(self._rewards.values()),
            issued=self._issued,
        )
        state = AccountState(account=account, settled=before.settled)
        decided = resettle(state, owner.targets[account.target_id], owner.calendar)
        if decided.changes:
            raise ValueError(f"customer {account.customer_id} left target {account.target_id}, so a lane has to decide")
        return self.before.after(decided, decisions=self.decisions)


_NO_DEFINITIONS = DefinitionSet(groups={}, owners={})


@dataclass(frozen=True, kw_only=True, slots=True)
class GatheredFacts:
    """What the ledger knows of the facts, and what the new ones concern, locked until the transaction ends.

    `erased` has those of the customers who were erased.
    """

    known: Mapping[EventKey, EventContent]
    erased: Until = field(default_factory=dict)
    definitions: DefinitionSet = _NO_DEFINITIONS
    accounts: Mapping[AccountKey, KnownAccount]


async def gather_facts(connection: Connection, facts: Sequence[NewFact], cache: DefinitionCache) -> GatheredFacts:
    """Look the facts up, and lock and read what the new ones concern."""
    known = await _known(connection, facts)
    new = [fact for fact in facts if fact.key not in known]
    if not new:
        return GatheredFacts(known=known, accounts={})
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
    return GatheredFacts(known=known, erased=erased, definitions=definitions, accounts=accounts)


async def _known(connection: Connection, facts: Sequence[NewFact]) -> dict[EventKey, EventContent]:
    return await known_events(connection, (fact.key for fact in facts)) if facts else {}


class LineResult(StrEnum):
    """What became of a line that is in order."""

    DEFINITION = "definition"
    FACT = "fact"
    DUPLICATE = "duplicate"
    ERASED = "erased"


Verdict = LedgerRow | LineResult | DeadLetter


@dataclass(kw_only=True, slots=True)
class ChunkAdditions:
    """The verdicts on a chunk, decided at one moment. Nothing in it may publish anything."""

    gathered: GatheredFacts
    decided_at: datetime
    _known: dict[EventKey, EventContent] = field(init=False)
    _growing: dict[AccountKey, AccountBuilder] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with what the ledger knows."""
        self._known = dict(self.gathered.known)

    def take(self, contents: Iterable[NewFact | DeadLetter]) -> list[Verdict]:
        """A ledger row for each fact that is new, a reason for each that is bad."""
        return [one if isinstance(one, DeadLetter) else self._verdict(one) for one in contents]

    def changed(self) -> AccountChanges:
        """The accounts that have grown, settled."""
        now = {key: growing.settled(self._owner(key)) for key, growing in self._growing.items()}
        return changed(self.gathered.accounts, now)

    def _verdict(self, fact: NewFact) -> Verdict:
        known = self._known.get(fact.key)
        if known is not None:
            return id_conflict(fact.told.event.key) if known.contradicts(fact.content) else LineResult.DUPLICATE
        if is_before(self.gathered.erased, fact.key.customer_id, happened_at(fact.told.event, fact.told.time)):
            return LineResult.ERASED
        account = self.gathered.accounts.get(fact.account)
        if account is not None and account.state.account.leaves:
            return _has_left(fact.account)
        placed = place(fact.told.event, self.gathered.definitions)
        if isinstance(placed, Misplaced):
            return of_misplaced(placed)
        growing = self._growing.get(fact.account) or AccountBuilder(before=account or unknown_accounts(fact.account))
        refused = growing.learn(fact.told.event, placed)
        if refused is not None:
            return refused
        self._growing[fact.account] = growing
        self._known[fact.key] = fact.content
        return _row(fact, decision=growing.decisions, decided_at=self.decided_at)

    def _owner(self, key: AccountKey) -> TargetGroup:
        definitions = self.gathered.definitions
        return definitions.groups[definitions.owners[key.target_id]]


def _row(fact: NewFact, *, decision: int, decided_at: datetime) -> LedgerRow:
    row = (*fact.key, fact.told.event_type, *fact.content, fact.account.target_id, None, decision, decided_at)
    return LedgerRow._make((*row, *NOWHERE))


def _has_left(key: AccountKey) -> DeadLetter:
    """Whether a fact then has something to publish is for a lane to find out."""
    detail = f"customer {key.customer_id} has left target {key.target_id}: use `unenroll publish`"
    return DeadLetter(reason=Reason.BELONGS_ON_TOPIC, detail=detail)
