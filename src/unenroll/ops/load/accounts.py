"""Decide what a chunk of loaded facts adds to accounts: a verdict for each fact, a settlement for each account."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from unenroll.core.admission import RefusedEvent, UpstreamFact, reward_conflict, to_fact
from unenroll.core.decide import AccountState, resettle
from unenroll.core.definitions import DefinitionSet, TargetGroup
from unenroll.core.events import AccountKey, CustomerEnrolled, EventId, EventKey, RewardEarned, RewardIssued
from unenroll.core.facts import MAX_FACTS, Enrollment, Reward
from unenroll.core.reasons import Reason
from unenroll.errors import BatchTooLargeError
from unenroll.postgres.accounts import AccountChanges, KnownAccount, changed_accounts, lock_accounts, new_account
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.erasure import ErasedUntil, erasure_covers, lock_erasures
from unenroll.postgres.ledger import NO_POSITION, EventContent, LedgerRow, known_events
from unenroll.postgres.pool import Connection
from unenroll.wire.content_hash import CONTENT_VERSION
from unenroll.wire.data_subjects import happened_at
from unenroll.wire.encode import event_uuid
from unenroll.wire.ndjson import LoadedFact
from unenroll.wire.reasons import DeadLetter, from_refused_event, id_conflict
from unenroll.worker.batch import group_ids_of
from unenroll.worker.fold import account_full

_NO_DEFINITIONS = DefinitionSet(groups={}, owners={})


class NewFact(NamedTuple):
    """A loaded fact, its key and content for the ledger, and its account."""

    loaded: LoadedFact
    key: EventKey
    content: EventContent
    account: AccountKey


def new_fact(loaded: LoadedFact) -> NewFact:
    """The fact with the same key that it would have on a topic."""
    event = loaded.event
    return NewFact(
        loaded=loaded,
        key=EventKey(event.customer_id, event_uuid(event.key)),
        content=EventContent(CONTENT_VERSION, loaded.content_hash, loaded.time),
        account=AccountKey(event.customer_id, event.target_id),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class GatheredFacts:
    """What Postgres has about the facts of a chunk.

    `known` has the facts that the ledger has already. The rest is about the other facts: `erased` customers, their
    definitions, and their accounts, which stay locked until the transaction ends.
    """

    known: Mapping[EventKey, EventContent]
    erased: ErasedUntil = field(default_factory=dict)
    definitions: DefinitionSet = _NO_DEFINITIONS
    accounts: Mapping[AccountKey, KnownAccount]


async def gather_facts(connection: Connection, facts: Sequence[NewFact], cache: DefinitionCache) -> GatheredFacts:
    """Look up the facts in the ledger, then lock and read the accounts of the new ones.

    Raises BatchTooLargeError if the accounts are too large to be read at once.
    """
    known = await _known_facts(connection, facts)
    new = [fact for fact in facts if fact.key not in known]
    if not new:
        return GatheredFacts(known=known, accounts={})
    erased = await lock_erasures(connection, (fact.key.customer_id for fact in new))
    events = [fact.loaded.event for fact in new]
    definitions = await cache.lock(
        connection, group_ids=group_ids_of(events), target_ids={event.target_id for event in events}
    )
    accounts, unread = await lock_accounts(
        connection, [fact.account for fact in new if fact.account.target_id in definitions.owners]
    )
    if unread:
        raise BatchTooLargeError(f"{len(unread)} accounts were not read: load fewer facts in one transaction")
    # A lane may have decided some of the facts while this waited for the locks.
    known |= await _known_facts(connection, [fact for fact in new if fact.account in accounts])
    return GatheredFacts(known=known, erased=erased, definitions=definitions, accounts=accounts)


async def _known_facts(connection: Connection, facts: Sequence[NewFact]) -> dict[EventKey, EventContent]:
    return await known_events(connection, (fact.key for fact in facts)) if facts else {}


class LineResult(StrEnum):
    """The result of a valid line."""

    DEFINITION = "definition"
    FACT = "fact"
    DUPLICATE = "duplicate"
    ERASED = "erased"


Verdict = LedgerRow | LineResult | DeadLetter
"""The ledger row of a new fact; DUPLICATE or ERASED if the fact is skipped; or why the line is bad."""


@dataclass(kw_only=True, slots=True)
class ChunkAdditions:
    """Decides the facts of a chunk, all at the time `decided_at`. Pure. Nothing that it decides is published."""

    gathered: GatheredFacts
    decided_at: datetime
    max_facts: int = MAX_FACTS
    _known: dict[EventKey, EventContent] = field(init=False)
    _builders: dict[AccountKey, "AccountBuilder"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start with the facts in the ledger."""
        self._known = dict(self.gathered.known)

    def decide(self, contents: Iterable[NewFact | DeadLetter]) -> list[Verdict]:
        """The verdicts in order. The dead letter of a bad line is its own verdict."""
        return [content if isinstance(content, DeadLetter) else self._decide(content) for content in contents]

    def changed(self) -> AccountChanges:
        """The accounts with new facts, settled."""
        accounts = {key: builder.settle(self._owner(key)) for key, builder in self._builders.items()}
        return changed_accounts(self.gathered.accounts, accounts)

    def _decide(self, fact: NewFact) -> Verdict:
        known = self._known.get(fact.key)
        if known is not None:
            return id_conflict(fact.loaded.event.key) if known.contradicts(fact.content) else LineResult.DUPLICATE
        if erasure_covers(self.gathered.erased, fact.key.customer_id, happened_at(fact.loaded.event, fact.loaded.time)):
            return LineResult.ERASED
        account = self.gathered.accounts.get(fact.account)
        if account is not None and account.state.account.leaves:
            return _has_left(fact.account)
        placed = to_fact(fact.loaded.event, self.gathered.definitions)
        if isinstance(placed, RefusedEvent):
            return from_refused_event(placed)
        builder = self._builders.get(fact.account) or AccountBuilder(before=account or new_account(fact.account))
        refusal = builder.add(fact.loaded.event, placed, max_facts=self.max_facts)
        if refusal is not None:
            return refusal
        self._builders[fact.account] = builder
        self._known[fact.key] = fact.content
        return _ledger_row(fact, decision=builder.decisions, decided_at=self.decided_at)

    def _owner(self, key: AccountKey) -> TargetGroup:
        definitions = self.gathered.definitions
        return definitions.groups[definitions.owners[key.target_id]]


def _ledger_row(fact: NewFact, *, decision: int, decided_at: datetime) -> LedgerRow:
    row = (*fact.key, fact.loaded.event_type, *fact.content, fact.account.target_id, None, decision, decided_at)
    return LedgerRow._make((*row, *NO_POSITION))


def _has_left(key: AccountKey) -> DeadLetter:
    """Such a fact may change what was published, so a lane has to decide it."""
    detail = f"customer {key.customer_id} has left target {key.target_id}: use `unenroll publish`"
    return DeadLetter(reason=Reason.BELONGS_ON_TOPIC, detail=detail)


@dataclass(kw_only=True, slots=True)
class AccountBuilder:
    """An account that collects new facts, and is then settled once. `decisions` counts the facts decided on it."""

    before: KnownAccount
    decisions: int = field(init=False)
    _enrollments: dict[EventId, Enrollment] = field(init=False)
    _rewards: dict[str, Reward] = field(init=False)
    _issued: dict[str, datetime] = field(init=False)

    def __post_init__(self) -> None:
        """Start with the facts that the account has."""
        account = self.before.state.account
        self.decisions = self.before.decisions
        self._enrollments = {enrollment.key: enrollment for enrollment in account.enrollments}
        self._rewards = {reward.reward_id: reward for reward in account.rewards}
        self._issued = dict(account.issuances)

    def add(
        self, event: CustomerEnrolled | RewardEarned | RewardIssued, placed: UpstreamFact, *, max_facts: int
    ) -> DeadLetter | None:
        """Add the fact. Returns the reason instead if it contradicts a reward, or if the account has `max_facts`."""
        if self._size >= max_facts:
            return account_full(max_facts)
        if isinstance(placed, Reward):
            reward = self._rewards.setdefault(placed.reward_id, placed)
            contradicted = reward_conflict(placed, reward, customer_id=event.customer_id)
            if contradicted is not None:
                return from_refused_event(contradicted)
        if isinstance(placed, Enrollment):
            self._enrollments.setdefault(placed.key, placed)
        if not isinstance(event, CustomerEnrolled) and event.issued_at is not None:
            self._issued.setdefault(event.reward_id, event.issued_at)
        self.decisions += 1
        return None

    @property
    def _size(self) -> int:
        leaves = self.before.state.account.leaves
        return len(self._enrollments) + len(leaves) + len(self._rewards) + len(self._issued)

    def settle(self, owner: TargetGroup) -> KnownAccount:
        """The account with all its facts, settled once: the same as after each fact (rules.md, "Words").

        Raises ValueError if the settlement publishes something, which is possible once the customer has left.
        """
        before = self.before.state
        account = before.account._replace(
            enrollments=tuple(self._enrollments.values()),
            rewards=tuple(self._rewards.values()),
            issuances=self._issued,
        )
        state = AccountState(account=account, settled=before.settled)
        decided = resettle(state, owner.targets[account.target_id], owner.calendar)
        if decided.changes:
            raise ValueError(f"customer {account.customer_id} left target {account.target_id}, so a lane has to decide")
        return self.before.after(decided, decisions=self.decisions)
