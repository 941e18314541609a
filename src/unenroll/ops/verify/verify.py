"""All accounts verified, or a selection of them: page after page, in memory that does not grow with their number."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from unenroll.core.calendar import Calendar
from unenroll.core.changes import SettledReward
from unenroll.core.definitions import Target, TargetGroup
from unenroll.core.events import EventId
from unenroll.core.settle import Settlement, settle, waits
from unenroll.core.standings import RewardState, Standing
from unenroll.ops.verify.differences import AccountDrift, CheckedAgainst, Difference, leave_named
from unenroll.ops.verify.ledger import ledger_drift
from unenroll.ops.verify.published import published_drift
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.audit import AuditedAccount, AuditScope, audit, oldest_publication
from unenroll.postgres.pool import check_tables


def settlement_drift(known: KnownAccount, owner: TargetGroup) -> tuple[list[Difference], bool]:
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
    drift = AccountDrift(known.key, CheckedAgainst.SETTLEMENT, [])
    settlement = settle(known.state.account, target, calendar)
    drift.same("whether it waits for cycles", kept=known.waits, decided=waits(settlement))
    _leaves(known, settlement, drift)
    _rewards(known, settlement, drift)
    return drift.found


def _leaves(known: KnownAccount, settlement: Settlement, drift: AccountDrift) -> None:
    for key, kept in known.state.settled.leaves.items():
        now = settlement.leaves[key]
        drift.same(leave_named(key), kept=tuple(kept), decided=(now.outcome, now.first_dropped))


def _rewards(known: KnownAccount, settlement: Settlement, drift: AccountDrift) -> None:
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
    if kept.state is RewardState.CANCELLED:
        return kept.revision >= 1 and kept.cancelled_by is not None
    return kept.revision == 0 if kept.cancelled_by is None else kept.revision > 1


MOST_TOLD = 1000

Note = Callable[[Difference], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyResult:
    """What was found. `due`: accounts that wait to be settled again, after cycles were appended.

    `drifted` is how many accounts have differences, `differences` how many there are of each kind; `told` are the
    first 1,000 of them.
    """

    accounts: int
    due: int
    drifted: int
    differences: Mapping[CheckedAgainst, int]
    published: bool
    told: tuple[Difference, ...]


async def verify(pool: asyncpg.Pool, scope: AuditScope, *, done: Callable[[int], None], note: Note) -> VerifyResult:
    """Verify the accounts. `done` is told how many more are, `note` of each difference. Raises OutageError, SetupError.

    Locks nothing, so it may run beside workers.
    """
    await check_tables(pool)
    verifying = _Verifying(kept_since=await oldest_publication(pool) if scope.published else None, note=note)
    async for page in audit(pool, scope):
        for one in page:
            verifying.take(one)
        done(len(page))
    return verifying.verified(scope)


@dataclass(kw_only=True, slots=True)
class _Verifying:
    kept_since: datetime | None
    note: Note
    counts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[CheckedAgainst] = field(default_factory=Counter)
    told: list[Difference] = field(default_factory=list)

    def take(self, one: AuditedAccount) -> None:
        """Verify one more. Who was only refused has rows in the ledger, and no account."""
        if not one.decided:
            return
        found, due = drift(one, kept_since=self.kept_since)
        self.counts.update(accounts=1, due=due, drifted=bool(found))
        for difference in found:
            self.kinds[difference.against] += 1
            self.note(difference)
        self.told += found[: MOST_TOLD - len(self.told)]

    def verified(self, scope: AuditScope) -> VerifyResult:
        """What was found up to now."""
        return VerifyResult(
            accounts=self.counts["accounts"],
            due=self.counts["due"],
            drifted=self.counts["drifted"],
            differences={kind: self.kinds[kind] for kind in CheckedAgainst if self.kinds[kind]},
            published=scope.published,
            told=tuple(self.told),
        )


_NO_RULE = (LookupError, ValueError, TypeError)  # facts that no event can have told, like a cycle that is not there


def drift(one: AuditedAccount, *, kept_since: datetime | None) -> tuple[Sequence[Difference], bool]:
    """The differences of an account, and whether it is due to be settled again. Pure."""
    found = AccountDrift(one.key, CheckedAgainst.ACCOUNT, [])
    if one.account is None:
        kept = "nothing" if one.unreadable is None else f"not readable: {one.unreadable}"
        found.same("the account", kept=kept, decided=f"{len(one.receipts)} events, decided")
        return found.found, False
    if one.owner is None or one.key.target_id not in one.owner.targets:
        found.same("its target", kept="defined by nobody", decided="defined")
        return found.found, False
    try:
        return _drift(one, one.account, one.owner, kept_since=kept_since)
    except _NO_RULE as error:
        found.same("the account", kept=f"facts that cannot be settled: {error}", decided="facts that were told")
        return found.found, False


def _drift(
    one: AuditedAccount, known: KnownAccount, owner: TargetGroup, *, kept_since: datetime | None
) -> tuple[Sequence[Difference], bool]:
    settled, due = settlement_drift(known, owner)
    found = [*settled, *ledger_drift(one, known, owner)]
    if one.sent is not None:
        found += published_drift(one, known, owner, kept_since=kept_since)
    return found, due
