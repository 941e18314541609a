"""A consumer that knows only the published events and contract.md."""

from dataclasses import dataclass, field

from unenroll.core.changes import Change, RewardCancellation, RewardReinstatement, Unenrollment
from unenroll.core.decide import Rejection
from unenroll.core.events import EventId
from unenroll.core.standings import RewardAction


@dataclass
class Reader:
    """The state that a consumer has. `in_force`: the latest `UserUnenrolled` of each leave that was not superseded."""

    answers: dict[EventId, int] = field(default_factory=dict)
    in_force: dict[EventId, Unenrollment] = field(default_factory=dict)
    rewards: dict[str, RewardCancellation | RewardReinstatement] = field(default_factory=dict)
    unenrolled: int = 0

    def read(self, change: Change | Rejection) -> None:
        if isinstance(change, Rejection):
            assert change.request.key not in self.answers, "a rejection is a first answer or none"
            self.answers[change.request.key] = 1
        elif isinstance(change, Unenrollment):
            self._left(change)
        else:
            self._reward(change)

    def cancelled(self) -> dict[str, RewardAction]:
        """Return the action for each cancelled reward, by its highest revision."""
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
