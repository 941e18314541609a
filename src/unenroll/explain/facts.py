"""An account's facts in order of time, and what each did."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json

from unenroll.core.calendar import Calendar
from unenroll.core.changes import SettledAccount
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.core.sentences import ENROLLMENTS, OUTCOMES
from unenroll.core.settle import Settlement
from unenroll.core.spells import in_order
from unenroll.explain.stays import ExplainedLeave, decimal_text, explain_leave
from unenroll.postgres.history import FactId, FactKind, SentMessage
from unenroll.wire.encode import event_uuid
from unenroll.wire.outbound import PeriodSpan
from unenroll.wire.topics import Message, event_name


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedFact:
    """A fact and what it did. `id` is an event's, with its `source`, or a `rewardId`; `outcome` is of the first two.

    `at` is its event time, `seen_at` when it was first read. `initial_balance` is a decimal as text.
    """

    at: datetime
    seen_at: datetime | None
    kind: FactKind
    id: str
    source: str | None = None
    outcome: Outcome | EnrollmentOutcome | None = None
    code: int | None = None
    sentence: str
    reason: str | None = None
    requested_by: str | None = None
    initial_balance: str | None = None
    reset_streak_status: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class FactExplainer:
    """What the facts are told from."""

    account: Account
    settled: SettledAccount
    settlement: Settlement
    calendar: Calendar
    seen: Mapping[FactId, datetime]

    def told(self, reward_id: str | None) -> tuple[ExplainedFact, ...]:
        """The facts by time; at one instant leaves, enrollments, rewards, issuances. Of one reward only, or of all."""
        told = [self._stay(fact) for fact in in_order(self.account)]
        told.extend(self._reward(reward) for reward in self.account.rewards if reward_id in {None, reward.reward_id})
        told.extend(self._issuances(reward_id))
        return tuple(sorted(told, key=lambda fact: fact.at))

    def _stay(self, fact: Enrollment | Leave) -> ExplainedFact:
        return self._leave(fact) if isinstance(fact, Leave) else self._enrollment(fact)

    def _leave(self, leave: Leave) -> ExplainedFact:
        settled = self.settled.leaves[leave.key]
        fell = ""
        if settled.first_dropped is not None:
            fell = f" Cycle {self.calendar.numbered(settled.first_dropped).name} and all later ones fell."
        return ExplainedFact(
            at=leave.effective_at,
            seen_at=self.seen.get(FactId(FactKind.LEAVE, *leave.key)),
            kind=FactKind.LEAVE,
            id=leave.key.id,
            source=leave.key.source,
            outcome=settled.outcome,
            code=settled.outcome.code,
            sentence=OUTCOMES[settled.outcome] + fell,
            reason=leave.reason,
            requested_by=leave.requested_by,
        )

    def _enrollment(self, enrollment: Enrollment) -> ExplainedFact:
        result = self.settlement.enrollments[enrollment.key]
        opened = "" if result.spell is None else self._opened(result.spell)
        return ExplainedFact(
            at=enrollment.enrolled_at,
            seen_at=self.seen.get(FactId(FactKind.ENROLLMENT, *enrollment.key)),
            kind=FactKind.ENROLLMENT,
            id=enrollment.key.id,
            source=enrollment.key.source,
            outcome=result.outcome,
            code=result.outcome.code,
            sentence=ENROLLMENTS[result.outcome] + opened,
            initial_balance=decimal_text(enrollment.initial_balance),
            reset_streak_status=enrollment.reset_streak_status,
        )

    def _opened(self, index: int) -> str:
        spells = self.settlement.spells
        first = f" First cycle: {self.calendar.numbered(spells[index].first_cycle).name}"
        if index == 0:
            return f"{first}."
        return f"{first}, " + ("carrying on." if spells[index].run == spells[index - 1].run else "starting over.")

    def _reward(self, reward: Reward) -> ExplainedFact:
        cycle = self.calendar.numbered(reward.cycle).name
        return ExplainedFact(
            at=reward.achieved_at,
            seen_at=self.seen.get(FactId(FactKind.REWARD, reward.reward_id)),
            kind=FactKind.REWARD,
            id=reward.reward_id,
            sentence=f"The customer achieved reward {reward.reward_id} in cycle {cycle}.",
        )

    def _issuances(self, reward_id: str | None) -> Iterator[ExplainedFact]:
        earned = {reward.reward_id for reward in self.account.rewards}
        for issued, at in self.account.issued.items():
            if reward_id in {None, issued}:
                unheard = "" if issued in earned else " Nobody told yet what it was earned for."
                yield ExplainedFact(
                    at=at,
                    seen_at=self.seen.get(FactId(FactKind.ISSUANCE, issued)),
                    kind=FactKind.ISSUANCE,
                    id=issued,
                    sentence=f"Reward {issued} was issued.{unheard}",
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedEvent:
    """One of our events: of the leave that it names, and of the reward with this id, or else of no reward.

    `decided_at` is the event's `time`: the lane publishes right behind it, or after an outage. `id` is its `ce_id`.
    """

    decided_at: datetime
    event: str
    id: str
    leave: ExplainedLeave
    reward_id: str | None
    outcome: str | None
    code: int | None
    dropped: PeriodSpan | None
    supersedes: ExplainedLeave | None
    action: str | None
    rule: str | None
    revision: int | None


def explain_event(
    sent: Sequence[SentMessage], account: Account, *, reward_id: str | None
) -> tuple[ExplainedEvent, ...]:
    """What was sent of the account, in that order: the answers to its leaves, and of one reward or of all."""
    leaves = {event_uuid(leave.key): explain_leave(leave) for leave in account.leaves}
    read = ((one.decided_at, *_read(one.message)) for one in sent)
    return tuple(
        _told(decided_at, headers, data, leaves=leaves)
        for decided_at, headers, data in read
        if data.get("targetId") == account.target_id
        if reward_id is None or data.get("rewardId") in {None, reward_id}
    )


def _read(message: Message) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    headers = {name: value.decode() for name, value in message.headers if value is not None}
    return headers, from_json(message.value or b"{}")


def _event(headers: Mapping[str, str]) -> str:
    return event_name(headers["ce_type"]) or headers["ce_type"]


def _told(
    decided_at: datetime, headers: Mapping[str, str], data: Mapping[str, Any], *, leaves: Mapping[str, ExplainedLeave]
) -> ExplainedEvent:
    return ExplainedEvent(
        decided_at=decided_at,
        event=_event(headers),
        id=headers["ce_id"],
        leave=ExplainedLeave(
            id=data["requestId"], source=data["requestSource"], at=datetime.fromisoformat(data["effectiveAt"])
        ),
        reward_id=data.get("rewardId"),
        outcome=data.get("outcome"),
        code=data.get("code"),
        dropped=data.get("droppedPeriods"),
        supersedes=leaves.get(data.get("supersedes") or ""),
        action=data.get("action"),
        rule=data.get("rule"),
        revision=data.get("revision"),
    )
