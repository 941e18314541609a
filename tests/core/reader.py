"""A consumer that knows nothing but what is published, and what contract.md says of it."""

from dataclasses import dataclass, field

from unenroll.core.changes import Change, RewardCancellation, RewardReinstatement, Unenrollment
from unenroll.core.decide import Rejected
from unenroll.core.events import EventId
from unenroll.core.standings import RewardAction


@dataclass
class Reader:
    """`in_force`: a leave's latest `UserUnenrolled`, until another leave's supersedes it."""

    answers: dict[EventId, int] = field(default_factory=dict)
    in_force: dict[EventId, Unenrollment] = field(default_factory=dict)
    rewards: dict[str, RewardCancellation | RewardReinstatement] = field(default_factory=dict)
    unenrolled: int = 0

    def read(self, change: Change | Rejected) -> None:
        if isinstance(change, Rejected):
            assert change.request.key not in self.answers, "a rejection is a first answer or none"
            self.answers[change.request.key] = 1
        elif isinstance(change, Unenrollment):
            self._left(change)
        else:
            self._reward(change)

    def cancelled(self) -> dict[str, RewardAction]:
        """What is to be done about the rewards that do not stand, going by the highest revision of each."""
        return {key: last.action for key, last in self.rewards.items() if isinstance(last, RewardCancellation)}

    def _left(self, change: Unenrollment) -> None:
        self.answers.setdefault(change.leave.key, 1)
        self.unenrolled += 1
        assert change.revision == self.unenrolled
        if change.supersedes is not None:
            del self.in_force[change.supersedes]
        self.in_force[change.leave.key] = change

    def _reward(self, change: RewardCancellation | RewardReinstatement) -> None:
        last = self.rewards.get(change.reward.reward_id)
        assert change.revision == (last.revision if last else 0) + 1
        if isinstance(change, RewardReinstatement):
            assert isinstance(last, RewardCancellation), "only what was cancelled goes back"
            assert change.leave == last.leave
        self.rewards[change.reward.reward_id] = change
