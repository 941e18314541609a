"""Decides the events of a batch one after the other, in the order of the records. Pure.

The decisions are the same however the records are split into batches.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from unenroll.core.admission import RefusedEvent
from unenroll.core.calendar import Calendar
from unenroll.core.decide import Decision, RefusedRequest, decide, resettle
from unenroll.core.events import AccountKey, Event, EventKey, SettlementDue
from unenroll.core.facts import MAX_FACTS
from unenroll.core.outcomes import Outcome
from unenroll.core.reasons import Reason
from unenroll.postgres.accounts import AccountChanges, KnownAccount, changed_accounts, new_account
from unenroll.postgres.ledger import EventContent
from unenroll.wire.content_hash import content_version
from unenroll.wire.decode import ReceivedEvent
from unenroll.wire.encode import DecisionContext, encode
from unenroll.wire.reasons import DeadLetter, from_refused_event, id_conflict
from unenroll.wire.topics import Message, batch_bytes
from unenroll.worker.batch import GatheredState, RecordContent, Skipped, account_of, identity


class RecordedEvent(NamedTuple):
    """An event that was decided now, with what the ledger keeps and what the worker publishes.

    `outcome` is None for a fact. `decision` is the number of the decision on the account, None if the request was
    refused.
    """

    received: ReceivedEvent
    key: EventKey
    content: EventContent
    outcome: Outcome | None
    decision: int | None
    messages: tuple[Message, ...]


FoldResult = RecordedEvent | DeadLetter | Skipped
"""The result of one record."""

MAX_DECISION_BYTES = 20 * 1024 * 1024
"""The maximum size of the messages of one decision, so that Kafka takes them in one transaction in time."""

_NO_CALENDAR = Calendar(())


@dataclass(kw_only=True, slots=True)
class AccountFold:
    """The accounts of a batch, which one event after the other changes.

    `limits` has the maximum size of a message in bytes by topic. An event that has to publish to a topic that is not in
    `limits`, or more than 20 MiB in all, becomes a dead letter, and so does one more fact for an account with
    `max_facts`. `output_bytes` counts the bytes of all messages, `largest_account` the facts of the largest account
    that changed.
    """

    gathered: GatheredState
    decided_at: datetime
    limits: Mapping[str, int]
    max_facts: int = MAX_FACTS
    output_bytes: int = 0
    largest_account: int = 0
    _accounts: dict[AccountKey, KnownAccount] = field(init=False)
    _ledger: dict[EventKey, EventContent] = field(init=False)

    def __post_init__(self) -> None:
        """Start with the state that Postgres has."""
        self._accounts = dict(self.gathered.accounts)
        self._ledger = dict(self.gathered.ledger)

    def decide_all(self, contents: Iterable[RecordContent]) -> list[FoldResult]:
        """Decide the events in their order. Dead letters and skipped records stay as they are."""
        return [self.decide(content) for content in contents]

    def decide(self, content: RecordContent) -> FoldResult:
        """Decide the event. A dead letter or skipped record stays as it is."""
        return self._decide(content) if isinstance(content, ReceivedEvent) else content

    def lacks_account(self, content: RecordContent) -> bool:
        """Whether the account of the event was not read, so that only the next batch can decide the event."""
        unread = self.gathered.unread
        return bool(unread) and isinstance(content, ReceivedEvent) and account_of(content.event) in unread

    def changed(self) -> AccountChanges:
        """The accounts that changed since the start."""
        return changed_accounts(self.gathered.accounts, self._accounts)

    def account(self, key: AccountKey) -> KnownAccount:
        """The account as it is now; an empty one if it does not exist."""
        return self._accounts.get(key) or new_account(key)

    def _decide(self, received: ReceivedEvent) -> FoldResult:
        key = identity(received)
        content = content_of(received)
        before = self._ledger.get(key)
        if before is not None:
            return id_conflict(received.event.key) if before.contradicts(content) else Skipped.DUPLICATE
        decision = self._apply_rules(received.event)
        if isinstance(decision, RefusedEvent):
            return from_refused_event(decision)
        if self._is_full(received.event, decision):
            return account_full(self.max_facts)
        messages = self._messages(received, decision)
        unpublishable = self._unpublishable(messages)
        if unpublishable is not None:
            return unpublishable
        self._ledger[key] = content
        if isinstance(decision, RefusedRequest):
            return RecordedEvent(received, key, content, decision.rejection.outcome, None, messages)
        number = self._update_account(received.event, decision)
        return RecordedEvent(received, key, content, decision.outcome, number, messages)

    def _apply_rules(self, event: Event | SettlementDue) -> Decision | RefusedRequest | RefusedEvent:
        definitions = self.gathered.definitions
        account = self._accounts.get(account_of(event))
        if not isinstance(event, SettlementDue):
            if account is None:
                return decide(event, definitions)
            return decide(event, definitions, account.state, decisions=account.decisions, last=account.settlement)
        owner = definitions.owner(event.target_id)
        if owner is None or account is None:
            return RefusedEvent(reason=Reason.ACCOUNT_NOT_FOUND, detail="The account to settle does not exist.")
        return resettle(account.state, owner.targets[event.target_id], owner.calendar)

    def _is_full(self, event: Event | SettlementDue, decision: Decision | RefusedRequest) -> bool:
        """Whether the decision adds a fact to an account that has the maximum number."""
        if isinstance(decision, RefusedRequest):
            return False
        size = decision.state.account.size
        return size > self.max_facts and size > self.account(account_of(event)).state.account.size

    def _update_account(self, event: Event | SettlementDue, decision: Decision) -> int:
        """Store the account after the decision. Returns the number of the decision on this account."""
        key = account_of(event)
        before = self.account(key)
        after = before.after(decision, decisions=before.decisions + 1)
        self._accounts[key] = after
        self.largest_account = max(self.largest_account, after.state.account.size)
        return after.decisions

    def _messages(self, received: ReceivedEvent, decision: Decision | RefusedRequest) -> tuple[Message, ...]:
        changes = (decision.rejection,) if isinstance(decision, RefusedRequest) else decision.changes
        if not changes:
            return ()
        event = received.event
        owner = self.gathered.definitions.owner(event.target_id)
        context = DecisionContext(
            customer_id=event.customer_id,
            group_id=0 if owner is None else owner.group_id,
            target_id=event.target_id,
            cause=event.key,
            decided_at=self.decided_at,
            calendar=_NO_CALENDAR if owner is None else owner.calendar,
            traceparent=received.traceparent,
        )
        return tuple([encode(change, context) for change in changes])

    def _unpublishable(self, messages: Iterable[Message]) -> DeadLetter | None:
        """Why one of the messages cannot be published, None if all can."""
        total = 0
        for message in messages:
            max_bytes = self.limits.get(message.topic)
            if max_bytes is None:
                return DeadLetter(
                    reason=Reason.BELONGS_ON_TOPIC,
                    detail="It changes earlier decisions, so it has to be published on its topic.",
                )
            size = batch_bytes(message)
            total += size
            if size > max_bytes:
                return DeadLetter(
                    reason=Reason.ANSWER_TOO_LARGE, detail=f"Its answer does not fit the topic {message.topic}."
                )
        if total > MAX_DECISION_BYTES:
            detail = f"Its answers have {total:,} bytes; one transaction may publish {MAX_DECISION_BYTES:,}."
            return DeadLetter(reason=Reason.ANSWER_TOO_LARGE, detail=detail)
        self.output_bytes += total
        return None


def account_full(max_facts: int) -> DeadLetter:
    """Why an account with so many facts gets no other one."""
    detail = f"The account has {max_facts} facts, as many as UNENROLL_MAX_ACCOUNT_FACTS allows."
    return DeadLetter(reason=Reason.ACCOUNT_FULL, detail=detail)


def content_of(received: ReceivedEvent) -> EventContent:
    """What the ledger keeps of the event, to compare it with a later one of the same identity."""
    return EventContent(content_version(received.event), received.content_hash, received.time)
