"""An account and what is added to it: facts held against those before them one by one, all settled at once. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from unenroll.core.decide import AccountState, resettle
from unenroll.core.definitions import Group
from unenroll.core.events import CustomerEnrolled, EventId
from unenroll.core.facts import Enrollment, Reward
from unenroll.core.place import Placed, contradiction
from unenroll.load.fact import Told
from unenroll.store.accounts import KnownAccount
from unenroll.wire.refusals import DeadLetter, of_misplaced


@dataclass(kw_only=True, slots=True)
class Growing:
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

    def settled(self, owner: Group) -> KnownAccount:
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
