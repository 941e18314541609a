"""Explain the facts of an account, and the events that the worker published about it."""

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
from unenroll.core.spells import chronological
from unenroll.explain.stays import ExplainedLeave, SpellBeginning, decimal_text, explain_leave, spell_beginning
from unenroll.postgres.history import FactId, FactKind, PublishedMessage
from unenroll.wire.encode import event_uuid
from unenroll.wire.outbound import PeriodSpan
from unenroll.wire.topics import Message, event_name


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedFact:
    """A fact and its effect.

    `at` is the event time, `seen_at` the time when Unenroll first received the fact. `id` and `source` are those of
    the event of a leave or enrollment; a reward or issuance has its `rewardId` as `id` and no source. Only leaves and
    enrollments have an `outcome`. `initial_balance` is a decimal as text.
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
    """Explains the facts of one account."""

    account: Account
    settled: SettledAccount
    settlement: Settlement
    calendar: Calendar
    first_seen: Mapping[FactId, datetime]

    def explain(self, reward_id: str | None) -> tuple[ExplainedFact, ...]:
        """Return the facts by time; at the same instant leaves, enrollments, rewards, then issuances.

        With `reward_id`, rewards and issuances are only those of this reward.
        """
        facts = [
            self._leave(fact) if isinstance(fact, Leave) else self._enrollment(fact)
            for fact in chronological(self.account)
        ]
        facts.extend(self._reward(reward) for reward in self.account.rewards if reward_id in {None, reward.reward_id})
        facts.extend(self._issuances(reward_id))
        return tuple(sorted(facts, key=lambda fact: fact.at))

    def _leave(self, leave: Leave) -> ExplainedFact:
        settled = self.settled.leaves[leave.key]
        dropped = ""
        if settled.first_dropped is not None:
            first = self.calendar.cycle_numbered(settled.first_dropped).name
            dropped = f" The leave dropped cycle {first} and all later cycles."
        return ExplainedFact(
            at=leave.effective_at,
            seen_at=self.first_seen.get(FactId(FactKind.LEAVE, *leave.key)),
            kind=FactKind.LEAVE,
            id=leave.key.id,
            source=leave.key.source,
            outcome=settled.outcome,
            code=settled.outcome.code,
            sentence=OUTCOMES[settled.outcome] + dropped,
            reason=leave.reason,
            requested_by=leave.requested_by,
        )

    def _enrollment(self, enrollment: Enrollment) -> ExplainedFact:
        result = self.settlement.enrollments[enrollment.key]
        opened = "" if result.spell is None else self._opened(result.spell)
        return ExplainedFact(
            at=enrollment.enrolled_at,
            seen_at=self.first_seen.get(FactId(FactKind.ENROLLMENT, *enrollment.key)),
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
        first = f" The first cycle is {self.calendar.cycle_numbered(spells[index].first_cycle).name}."
        match spell_beginning(spells, index):
            case SpellBeginning.CARRIED_ON:
                return f"{first} The customer carries on from the stay before."
            case SpellBeginning.STARTED_OVER:
                return f"{first} The customer starts over."
            case SpellBeginning.FIRST:
                return first

    def _reward(self, reward: Reward) -> ExplainedFact:
        cycle = self.calendar.cycle_numbered(reward.cycle).name
        return ExplainedFact(
            at=reward.achieved_at,
            seen_at=self.first_seen.get(FactId(FactKind.REWARD, reward.reward_id)),
            kind=FactKind.REWARD,
            id=reward.reward_id,
            sentence=f"The customer achieved reward {reward.reward_id} in cycle {cycle}.",
        )

    def _issuances(self, reward_id: str | None) -> Iterator[ExplainedFact]:
        earned = {reward.reward_id for reward in self.account.rewards}
        for issued, at in self.account.issuances.items():
            if reward_id in {None, issued}:
                missing = "" if issued in earned else " No RewardEarned event for it has arrived yet."
                yield ExplainedFact(
                    at=at,
                    seen_at=self.first_seen.get(FactId(FactKind.ISSUANCE, issued)),
                    kind=FactKind.ISSUANCE,
                    id=issued,
                    sentence=f"Reward {issued} was issued.{missing}",
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedEvent:
    """An event that the worker published. `id` is its `ce_id`, `leave` the leave that it answers.

    `decided_at` is the `time` of the event: the lane publishes it soon after, or after an outage. `reward_id` is None
    for an event that is not about a reward. `supersedes` is the leave whose event this one replaces.
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


def explain_events(
    published: Sequence[PublishedMessage], account: Account, *, reward_id: str | None
) -> tuple[ExplainedEvent, ...]:
    """Return the published events about the account, in the same order.

    With `reward_id`, events about rewards are only those of this reward.
    """
    leaves = {event_uuid(leave.key): explain_leave(leave) for leave in account.leaves}
    parsed = ((one.decided_at, *_parse(one.message)) for one in published)
    return tuple(
        _explain_event(decided_at, headers, data, leaves=leaves)
        for decided_at, headers, data in parsed
        if data.get("targetId") == account.target_id
        if reward_id is None or data.get("rewardId") in {None, reward_id}
    )


def _parse(message: Message) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    headers = {name: value.decode() for name, value in message.headers if value is not None}
    return headers, from_json(message.value or b"{}")


def _explain_event(
    decided_at: datetime, headers: Mapping[str, str], data: Mapping[str, Any], *, leaves: Mapping[str, ExplainedLeave]
) -> ExplainedEvent:
    return ExplainedEvent(
        decided_at=decided_at,
        event=event_name(headers["ce_type"]) or headers["ce_type"],
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
