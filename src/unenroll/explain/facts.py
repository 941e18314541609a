"""An account's facts in order of time, and what each did."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from unenroll.core.calendar import Calendar
from unenroll.core.changes import Settled
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.core.sentences import ENROLLMENTS, OUTCOMES
from unenroll.core.settle import Settlement
from unenroll.core.spells import in_order


class FactKind(StrEnum):
    """What a fact is."""

    LEAVE = "LEAVE"
    ENROLLMENT = "ENROLLMENT"
    REWARD = "REWARD"
    ISSUANCE = "ISSUANCE"


@dataclass(frozen=True, kw_only=True, slots=True)
class FactTold:
    """A fact and what it did. `id` is an event's, with its `source`, or a `rewardId`; `outcome` is of the first two."""

    at: datetime
    kind: FactKind
    id: str
    source: str | None = None
    outcome: Outcome | EnrollmentOutcome | None = None
    code: int | None = None
    sentence: str
    reason: str | None = None
    requested_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the facts are told from."""

    account: Account
    settled: Settled
    settlement: Settlement
    calendar: Calendar

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
            kind=FactKind.ENROLLMENT,
            id=enrollment.key.id,
            source=enrollment.key.source,
            outcome=result.outcome,
            code=result.outcome.code,
            sentence=ENROLLMENTS[result.outcome] + opened,
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
                    kind=FactKind.ISSUANCE,
                    id=issued,
                    sentence=f"Reward {issued} was issued.{unheard}",
                )
