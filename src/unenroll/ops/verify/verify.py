"""Verify all accounts or a selection, page by page, in constant memory and without locks."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from unenroll.core.calendar import Calendar
from unenroll.core.changes import SettledReward
from unenroll.core.definitions import Target, TargetGroup
from unenroll.core.events import EventId
from unenroll.core.settle import Settlement, awaits_cycles, settle
from unenroll.core.standings import RewardState, Standing
from unenroll.ops.verify.differences import AccountCheck, CheckedAgainst, Difference, leave_text, reward_text
from unenroll.ops.verify.ledger import ledger_differences
from unenroll.ops.verify.published import published_differences
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.audit import AuditedAccount, AuditScope, audit, oldest_publication
from unenroll.postgres.pool import check_tables
from unenroll.text import plural

_LISTED_DIFFERENCES = 1000

Note = Callable[[Difference], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyResult:
    """How many accounts were verified, and what differs.

    `due` counts accounts that wait to be settled again after cycles were appended. `drifted` counts accounts with
    differences; `differences` counts the differences by kind, and `listed` has the first 1,000 of them. `published`:
    whether the accounts were compared with published events too.
    """

    accounts: int
    due: int
    drifted: int
    differences: Mapping[CheckedAgainst, int]
    published: bool
    listed: tuple[Difference, ...]


async def verify(pool: asyncpg.Pool, scope: AuditScope, *, done: Callable[[int], None], note: Note) -> VerifyResult:
    """Verify the accounts, calling `done` with each number of accounts done and `note` with each difference.

    Changes and locks nothing, so it may run beside workers. Raises OutageError and SetupError.
    """
    await check_tables(pool)
    kept_since = await oldest_publication(pool) if scope.published else None
    verification = _Verification(kept_since=kept_since, note=note)
    async for page in audit(pool, scope):
        for one in page:
            verification.add(one)
        done(len(page))
    return verification.result(scope)


@dataclass(kw_only=True, slots=True)
class _Verification:
    kept_since: datetime | None
    note: Note
    counts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[CheckedAgainst] = field(default_factory=Counter)
    listed: list[Difference] = field(default_factory=list)

    def add(self, one: AuditedAccount) -> None:
        """Verify one more account. A customer whose requests were all refused has ledger rows and no account."""
        if not one.decided:
            return
        differences, due = account_differences(one, kept_since=self.kept_since)
        self.counts.update(accounts=1, due=due, drifted=bool(differences))
        for difference in differences:
            self.kinds[difference.against] += 1
            self.note(difference)
        self.listed += differences[: _LISTED_DIFFERENCES - len(self.listed)]

    def result(self, scope: AuditScope) -> VerifyResult:
        return VerifyResult(
            accounts=self.counts["accounts"],
            due=self.counts["due"],
            drifted=self.counts["drifted"],
            differences={kind: self.kinds[kind] for kind in CheckedAgainst if self.kinds[kind]},
            published=scope.published,
            listed=tuple(self.listed),
        )


_IMPOSSIBLE_FACTS = (LookupError, ValueError, TypeError)  # like a cycle that the calendar lacks


def account_differences(one: AuditedAccount, *, kept_since: datetime | None) -> tuple[Sequence[Difference], bool]:
    """Return the account's differences, and whether it is due to be settled again. Pure."""
    check = AccountCheck(one.key, CheckedAgainst.ACCOUNT)
    if one.account is None:
        stored = "nothing" if one.unreadable is None else f"not readable: {one.unreadable}"
        expected = f"an account with {plural(len(one.receipts), 'event')} in the ledger"
        check.check_equal("the account", stored=stored, expected=expected)
    elif one.owner is None or one.key.target_id not in one.owner.targets:
        check.check_equal("its target", stored="not defined", expected="defined")
    else:
        try:
            return _all_differences(one, one.account, one.owner, kept_since=kept_since)
        except _IMPOSSIBLE_FACTS as error:
            stored = f"facts that cannot be settled: {error}"
            check.check_equal("the account", stored=stored, expected="facts that were received")
    return check.differences, False


def _all_differences(
    one: AuditedAccount, known: KnownAccount, owner: TargetGroup, *, kept_since: datetime | None
) -> tuple[Sequence[Difference], bool]:
    settled, due = settlement_differences(known, owner)
    differences = [*settled, *ledger_differences(one, known, owner)]
    if one.published is not None:
        differences += published_differences(one, known, owner, kept_since=kept_since)
    return differences, due


_AS_PUBLISHED = "published as it stands"


def settlement_differences(known: KnownAccount, owner: TargetGroup) -> tuple[list[Difference], bool]:
    """Compare the account with a new settlement of its facts. Returns the differences, and whether it is due. Pure.

    An account is due if it waits for cycles and some were appended since. Then its state has to follow from the
    calendar as it was before.
    """
    target = owner.targets[known.key.target_id]
    differences = _compare(known, target, owner.calendar)
    if differences and known.waits:
        needed = max((reward.cycle for reward in known.state.account.rewards), default=1)
        for length in range(len(owner.calendar.cycles) - 1, needed - 1, -1):
            if not _compare(known, target, Calendar(owner.calendar.cycles[:length])):
                return [], True
    return differences, False


def _compare(known: KnownAccount, target: Target, calendar: Calendar) -> list[Difference]:
    check = AccountCheck(known.key, CheckedAgainst.SETTLEMENT)
    settlement = settle(known.state.account, target, calendar)
    check.check_equal("whether it waits for cycles", stored=known.waits, expected=awaits_cycles(settlement))
    _check_leaves(known, settlement, check)
    _check_rewards(known, settlement, check)
    return check.differences


def _check_leaves(known: KnownAccount, settlement: Settlement, check: AccountCheck) -> None:
    for key, stored in known.state.settled.leaves.items():
        expected = settlement.leaves[key]
        check.check_equal(leave_text(key), stored=tuple(stored), expected=(expected.outcome, expected.first_dropped))


def _check_rewards(known: KnownAccount, settlement: Settlement, check: AccountCheck) -> None:
    for reward_id, stored in known.state.settled.rewards.items():
        about = reward_text(reward_id)
        check.check_equal(about, stored=_state(stored), expected=_state(settlement.standings[reward_id]))
        published = _AS_PUBLISHED if _is_published(stored) else f"revision {stored.revision}, {stored.state}"
        check.check_equal(about, stored=published, expected=_AS_PUBLISHED)


def _state(reward: SettledReward | Standing) -> tuple[str | None, ...]:
    return reward.state, reward.rule, reward.action, _governing_leave(reward.leave)


def _governing_leave(leave: EventId | None) -> str | None:
    return None if leave is None else f"by {leave_text(leave)}"


def _is_published(reward: SettledReward) -> bool:
    """Whether this many events can have published the state: cancelled once, then cancelled again or reinstated."""
    if reward.state is RewardState.CANCELLED:
        return reward.revision >= 1 and reward.cancelled_by is not None
    return reward.revision == 0 if reward.cancelled_by is None else reward.revision > 1
