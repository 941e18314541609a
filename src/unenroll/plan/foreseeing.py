"""What the lane would decide, request by request: the very fold of the lane, and nothing kept of it."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from unenroll.batch.fold import Fold, Kept, Seen
from unenroll.batch.gather import Gathered, account_of
from unenroll.core.events import EventId, Expected
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import State
from unenroll.plan.meanwhile import Foreseen
from unenroll.store.accounts import AccountKey
from unenroll.store.erased import Until, is_before
from unenroll.store.ledger import Content, EventKey
from unenroll.wire.concerned import received_happened
from unenroll.wire.names import Topic
from unenroll.wire.planned import KeptReward, Prediction, Request, foretold, planned_line
from unenroll.wire.refusals import DeadLetter

_ANY_SIZE: Mapping[str, int] = MappingProxyType(
    dict.fromkeys((Topic.UNENROLLMENTS, Topic.REJECTIONS, Topic.REWARDS), sys.maxsize)
)


class Entry(NamedTuple):
    """A request of the plan: its line, what it says there, and what is known of it from now on."""

    line: bytes
    predicted: Prediction
    key: EventKey
    content: Content


@dataclass(kw_only=True, slots=True)
class Foreseeing:
    """A page of requests. `erased` has those of its customers who were.

    `last` has the request of the plan that was the last to leave a fact in an account.
    """

    gathered: Gathered
    erased: Until
    last: dict[AccountKey, EventId]
    now: datetime
    _fold: Fold = field(init=False)
    _moved: set[AccountKey] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin with the accounts as they are."""
        self._fold = Fold(gathered=self.gathered, decided_at=self.now, limits=_ANY_SIZE)

    def foresee(self, request: Request) -> Entry | Seen | DeadLetter:
        """What the lane would make of the request behind those before it."""
        event = request.received.event
        if is_before(self.erased, event.customer_id, received_happened(request.received)):
            return Seen.ERASED
        key = account_of(event)
        expected = Expected(self._fold.account(key).decisions, self.last.get(key))
        (fate,) = self._fold.take([request.received])
        if not isinstance(fate, Kept):
            return fate
        if fate.decision is not None:
            self.last[key] = event.key
            self._moved.add(key)
        predicted = self._predicted(fate, key)
        return Entry(planned_line(request, expected, predicted), predicted, fate.key, fate.content)

    def moved(self) -> Iterator[Foreseen]:
        """The accounts that requests of the page leave a fact in."""
        return (Foreseen(self._fold.account(key), self.last[key]) for key in self._moved)

    def _predicted(self, kept: Kept, key: AccountKey) -> Prediction:
        return Prediction(
            outcome=Outcome(str(kept.outcome)),  # a request always has one
            decision=kept.decision,
            kept=() if kept.decision is None else self._rewards_kept(key),
            events=tuple(foretold(message) for message in kept.messages),
        )

    def _rewards_kept(self, key: AccountKey) -> tuple[KeptReward, ...]:
        rewards = self._fold.account(key).state.settled.rewards
        return tuple(KeptReward(name, now.rule) for name, now in rewards.items() if now.state is State.KEPT)
