"""Accounts that are settled as if one fact were another, so many of them and no more."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from unenroll.core.calendar import Calendar
from unenroll.core.definitions import Target
from unenroll.core.events import EventId
from unenroll.core.facts import Account
from unenroll.core.settle import Settlement, settle

_MOST_REWARDS = 200_000
"""How many rewards may be settled again for one explanation: less than a second's work."""

Change = tuple[EventId | None, datetime | None]
"""Which enrollment or leave is another, and, where it is a leave, from when on it takes effect instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trials:
    """The trials of one account. What was tried once is known."""

    account: Account
    target: Target
    calendar: Calendar
    _known: dict[Change, Settlement] = field(default_factory=dict)

    def settled(self, change: Change, changed: Callable[[], Account]) -> Settlement | None:
        """The settlement of the account with this change; None if too much was tried already."""
        known = self._known.get(change)
        if known is None and len(self._known) * len(self.account.rewards) < _MOST_REWARDS:
            known = self._known[change] = settle(changed(), self.target, self.calendar)
        return known
