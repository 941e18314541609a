"""Events decided one by one, in the order they were read: how they were batched never shows. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from unenroll.core.admission import Misplaced
from unenroll.core.calendar import Calendar
from unenroll.core.decide import Decision, RefusedRequest, decide, resettle
from unenroll.core.events import AccountKey, Event, EventKey, SettlementDue
from unenroll.core.outcomes import Outcome
from unenroll.postgres.accounts import AccountChanges, KnownAccount, changed, unknown_accounts
from unenroll.postgres.ledger import EventContent
from unenroll.wire.content_hash import content_version
from unenroll.wire.decode import Received
from unenroll.wire.encode import DecisionContext, encode
from unenroll.wire.reasons import DeadLetter, Reason, id_conflict, of_misplaced
from unenroll.wire.topics import Message, batch_bytes
from unenroll.worker.batch import GatheredState, Said, Skipped, account_of, identity


class RecordedEvent(NamedTuple):
    """The event was decided now: what the ledger keeps of it, and what is published."""

    received: Received
    key: EventKey
    content: EventContent
    outcome: Outcome | None
    decision: int | None
    messages: tuple[Message, ...]


_NO_CALENDAR = Calendar(())

Fate = Skipped | RecordedEvent | DeadLetter


@dataclass(kw_only=True, slots=True)
class AccountFold:
    """The accounts of a batch, as one event after the other changes them.

    `limits` has the most bytes that a message to a topic may have. A topic that is not in it takes nothing: what
    would be published there makes its event a dead letter.
    """

    gathered: GatheredState
    decided_at: datetime
    limits: Mapping[str, int]
    _now: dict[AccountKey, KnownAccount] = field(default_factory=dict)
    _known: dict[EventKey, EventContent] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with what was gathered."""
        self._now = dict(self.gathered.accounts)
        self._known = dict(self.gathered.known)

    def take(self, contents: Iterable[Said]) -> list[Fate]:
        """The fate of each, in order."""
        return [self._event(content) if isinstance(content, Received) else content for content in contents]

    def changed(self) -> AccountChanges:
        """The accounts that are not as they were."""
        return changed(self.gathered.accounts, self._now)

    def account(self, key: AccountKey) -> KnownAccount:
        """The account as it is now."""
        return self._now.get(key) or unknown_accounts(key)

    def _event(self, received: Received) -> Fate:
        key = identity(received)
        content = content_of(received)
        known = self._known.get(key)
        if known is not None:
            return id_conflict(received.event.key) if known.contradicts(content) else Skipped.DUPLICATE
        decided = self._answer(received.event)
        if isinstance(decided, Misplaced):
            return of_misplaced(decided)
        messages = self._told(received, decided)
        misfit = self._misfit(messages)
        if misfit is not None:
            return misfit
        self._known[key] = content
        if isinstance(decided, RefusedRequest):
            return RecordedEvent(received, key, content, decided.rejected.outcome, None, messages)
        return RecordedEvent(received, key, content, decided.outcome, self._move(received.event, decided), messages)

    def _move(self, event: Event | SettlementDue, decided: Decision) -> int:
        """Keep what the account is now. Returns the number of the decision on it."""
        key = account_of(event)
        before = self.account(key)
        now = before.after(decided, decisions=before.decisions + 1)
        self._now[key] = now
        return now.decisions

    def _told(self, received: Received, decided: Decision | RefusedRequest) -> tuple[Message, ...]:
        told = (decided.rejected,) if isinstance(decided, RefusedRequest) else decided.changes
        if not told:
            return ()
        context = self._context(received)
        return tuple([encode(change, context) for change in told])

    def _answer(self, event: Event | SettlementDue) -> Decision | RefusedRequest | Misplaced:
        definitions = self.gathered.definitions
        account = self._now.get(account_of(event))
        if not isinstance(event, SettlementDue):
            if account is None:
                return decide(event, definitions)
            return decide(event, definitions, account.state, decisions=account.decisions)
        owner = definitions.owner(event.target_id)
        if owner is None or account is None:
            return Misplaced(reason=Reason.ACCOUNT_NOT_FOUND, detail="Nothing is known of the account to settle.")
        return resettle(account.state, owner.targets[event.target_id], owner.calendar)

    def _context(self, received: Received) -> DecisionContext:
        event = received.event
        owner = self.gathered.definitions.owner(event.target_id)
        return DecisionContext(
            customer_id=event.customer_id,
            group_id=0 if owner is None else owner.group_id,
            target_id=event.target_id,
            cause=event.key,
            decided_at=self.decided_at,
            calendar=_NO_CALENDAR if owner is None else owner.calendar,
            traceparent=received.traceparent,
        )

    def _misfit(self, messages: Iterable[Message]) -> DeadLetter | None:
        for message in messages:
            most = self.limits.get(message.topic)
            if most is None:
                return _dead(Reason.BELONGS_ON_TOPIC, "It changes what was decided, so it belongs on its topic.")
            if batch_bytes(message) > most:
                return _dead(Reason.ANSWER_TOO_LARGE, f"Its answer does not fit the topic {message.topic}.")
        return None


def content_of(received: Received) -> EventContent:
    """What the ledger compares when the same event comes again."""
    return EventContent(content_version(received.event), received.content_hash, received.time)


def _dead(reason: Reason, detail: str) -> DeadLetter:
    return DeadLetter(reason=reason, detail=detail)
