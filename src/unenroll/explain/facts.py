"""An account's facts in order of time, and what each did."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from unenroll.core.calendar import Calendar
from unenroll.core.changes import Settled
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.core.sentences import ENROLLMENTS, OUTCOMES
from unenroll.core.settle import Settlement
from unenroll.core.spells import in_order
from unenroll.explain.stays import decimal_text
from unenroll.store.history import FactId, FactKind


@dataclass(frozen=True, kw_only=True, slots=True)
class FactTold:
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
class Facts:
    """What the facts are told from."""

    account: Account
    settled: Settled
    settlement: Settlement
    calendar: Calendar
    seen: Mapping[FactId, datetime]

    def told(self, reward_id: str | None) -> tuple[FactTold, ...]:
        """The facts by time; at one instant leaves, enrollments, rewards, issuances. Of one reward only, or of all."""
        told = [self._stay(fact) for fact in in_order(self.account)]
        told.extend(self._reward(reward) for reward in self.account.rewards if reward_id in {None, reward.reward_id})
        told.extend(self._issuances(reward_id))
        return tuple(sorted(told, key=lambda fact: fact.at))

    def _stay(self, fact: Enrollment | Leave) -> FactTold:
        return self._leave(fact) if isinstance(fact, Leave) else self._enrollment(fact)

    def _leave(self, leave: Leave) -> FactTold:
        settled = self.settled.leaves[leave.key]
        fell = ""
        if settled.first_dropped is not None:
            fell = f" Cycle {self.calendar.numbered(settled.first_dropped).name} and all later ones fell."
        return FactTold(
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

    def _enrollment(self, enrollment: Enrollment) -> FactTold:
        result = self.settlement.enrollments[enrollment.key]
        opened = "" if result.spell is None else self._opened(result.spell)
        return FactTold(
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

    def _reward(self, reward: Reward) -> FactTold:
        cycle = self.calendar.numbered(reward.cycle).name
        return FactTold(
            at=reward.achieved_at,
            seen_at=self.seen.get(FactId(FactKind.REWARD, reward.reward_id)),
            kind=FactKind.REWARD,
            id=reward.reward_id,
            sentence=f"The customer achieved reward {reward.reward_id} in cycle {cycle}.",
        )

    def _issuances(self, reward_id: str | None) -> Iterator[FactTold]:
        earned = {reward.reward_id for reward in self.account.rewards}
        for issued, at in self.account.issued.items():
            if reward_id in {None, issued}:
                unheard = "" if issued in earned else " Nobody told yet what it was earned for."
                yield FactTold(
                    at=at,
                    seen_at=self.seen.get(FactId(FactKind.ISSUANCE, issued)),
                    kind=FactKind.ISSUANCE,
                    id=issued,
                    sentence=f"Reward {issued} was issued.{unheard}",
                )
