"""An account settled again from its facts, and held against what it was last settled to. Pure."""

from unenroll.core.calendar import Calendar
from unenroll.core.changes import SettledReward
from unenroll.core.definitions import Group, Target
from unenroll.core.events import EventId
from unenroll.core.settle import Settlement, settle, waits
from unenroll.core.standings import Standing, State
from unenroll.store.accounts import KnownAccount
from unenroll.verify.difference import Against, Difference, Drift, leave_named


def settlement_drift(known: KnownAccount, owner: Group) -> tuple[list[Difference], bool]:
    """The differences, and whether the account is due: it waits to be settled again with cycles appended since.

    One that is due is held against the calendar as it was.
    """
    target = owner.targets[known.key.target_id]
    found = _against(known, target, owner.calendar)
    if found and known.waits:
        least = max((reward.cycle for reward in known.state.account.rewards), default=1)
        for length in range(len(owner.calendar.cycles) - 1, least - 1, -1):
            if not _against(known, target, Calendar(owner.calendar.cycles[:length])):
                return [], True
    return found, False


def _against(known: KnownAccount, target: Target, calendar: Calendar) -> list[Difference]:
    drift = Drift(known.key, Against.SETTLEMENT, [])
    settlement = settle(known.state.account, target, calendar)
    drift.same("whether it waits for cycles", kept=known.waits, decided=waits(settlement))
    _leaves(known, settlement, drift)
    _rewards(known, settlement, drift)
    return drift.found


def _leaves(known: KnownAccount, settlement: Settlement, drift: Drift) -> None:
    for key, kept in known.state.settled.leaves.items():
        now = settlement.leaves[key]
        drift.same(leave_named(key), kept=tuple(kept), decided=(now.outcome, now.first_dropped))


def _rewards(known: KnownAccount, settlement: Settlement, drift: Drift) -> None:
    for reward_id, kept in known.state.settled.rewards.items():
        now = settlement.standings[reward_id]
        about = f"reward {reward_id}"
        drift.same(about, kept=_standing(kept), decided=_standing(now))
        told = "published as it stands" if _told(kept) else f"revision {kept.revision}, {kept.state}"
        drift.same(about, kept=told, decided="published as it stands")


def _standing(now: SettledReward | Standing) -> tuple[str | None, ...]:
    return now.state, now.rule, now.action, _governed(now.leave)


def _governed(leave: EventId | None) -> str | None:
    return None if leave is None else f"by {leave_named(leave)}"


def _told(kept: SettledReward) -> bool:
    """Whether so many events can have told that it stands so: cancelled, then cancelled again or reinstated."""
    if kept.state is State.CANCELLED:
        return kept.revision >= 1 and kept.cancelled_by is not None
    return kept.revision == 0 if kept.cancelled_by is None else kept.revision > 1
