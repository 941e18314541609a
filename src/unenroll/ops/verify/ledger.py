"""An account held against the ledger: its decisions are all there, its facts are those that were told. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from unenroll.core.definitions import TargetGroup
from unenroll.core.events import CustomerEnrolled, EventId, RewardEarned, UnenrollRequested
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.ops.verify.differences import AccountDrift, CheckedAgainst, Difference, leave_named
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.audit import AuditedAccount, LedgerReceipt
from unenroll.wire.content_hash import CONTENT_VERSION, content_hash
from unenroll.wire.encode import event_uuid

_LEAVES_A_FACT = frozenset({Outcome.NOT_ENROLLED, Outcome.ALREADY_UNENROLLED, Outcome.NOTHING_LEFT, Outcome.UNENROLLED})
_STAYS_A_LEAVE = frozenset({Outcome.UNENROLLED, Outcome.ALREADY_UNENROLLED})

Told = UnenrollRequested | CustomerEnrolled


def ledger_drift(one: AuditedAccount, known: KnownAccount, owner: TargetGroup) -> list[Difference]:
    """The differences. Where rows of the account were pruned, nothing is said of the facts that they told."""
    drift = AccountDrift(one.key, CheckedAgainst.LEDGER, [])
    numbers = sorted(receipt.decision for receipt in one.receipts if receipt.decision is not None)
    top = known.decisions
    whole = numbers == list(range(1, top + 1))
    pruned = numbers == list(range(top - len(numbers) + 1, top + 1)) and not whole
    drift.unless(whole or pruned, "the numbers of its decisions", kept=_listed(numbers), decided=f"1 to {top}")
    receipts = {str(receipt.event_key): receipt for receipt in one.receipts}
    for event in _told(known.state.account, owner):
        receipt = receipts.get(event_uuid(event.key))
        if receipt is None:
            drift.unless(not whole, _named(event), kept="a fact without a row in the ledger", decided="a row")
        else:
            _hold(event, receipt, drift)
    if whole:
        _earned(known.state.account, one.receipts, owner=owner, drift=drift)
    _outcomes(known, receipts, drift)
    return drift.found


def _earned(account: Account, receipts: Sequence[LedgerReceipt], *, owner: TargetGroup, drift: AccountDrift) -> None:
    """Rewards do not name the event that told of them; of one that was not issued, all of the event is known."""
    told = [receipt for receipt in receipts if receipt.event_type == RewardEarned.__name__]
    if any(receipt.content_version != CONTENT_VERSION for receipt in told):
        return
    hashes = {receipt.content_hash for receipt in told}
    for reward in account.rewards:
        alike = reward.reward_id in account.issued or content_hash(_reward(account, reward, owner)) in hashes
        about = f"reward {reward.reward_id}"
        drift.unless(alike, about, kept="a fact that is not what was received", decided="a content in the ledger")


def _hold(event: Told, receipt: LedgerReceipt, drift: AccountDrift) -> None:
    about = _named(event)
    drift.same(about, kept=receipt.event_type, decided=type(event).__name__)
    if receipt.content_version == CONTENT_VERSION:
        alike = receipt.content_hash == content_hash(event)
        drift.unless(alike, about, kept="a fact that is not what was received", decided="the content in the ledger")


def _outcomes(known: KnownAccount, receipts: Mapping[str, LedgerReceipt], drift: AccountDrift) -> None:
    for key, now in known.state.settled.leaves.items():
        receipt = receipts.get(event_uuid(key))
        if receipt is not None:
            first = receipt.outcome
            possible = first in _LEAVES_A_FACT and (first != Outcome.UNENROLLED or now.outcome in _STAYS_A_LEAVE)
            drift.unless(possible, leave_named(key), kept=("first answered", first), decided=now.outcome)


def _told(account: Account, owner: TargetGroup) -> Iterator[Told]:
    """The events that told of the account's facts, as far as the facts name them: rewards do not."""
    for leave in account.leaves:
        yield _requested(account, leave, owner)
    for enrollment in account.enrollments:
        yield _enrolled(account, enrollment, owner)


def _requested(account: Account, leave: Leave, owner: TargetGroup) -> UnenrollRequested:
    return UnenrollRequested(
        key=leave.key,
        time=leave.effective_at,
        customer_id=account.customer_id,
        group_id=owner.group_id,
        target_id=account.target_id,
        effective_at=leave.effective_at,
        reason=leave.reason,
        requested_by=leave.requested_by,
    )


def _enrolled(account: Account, enrollment: Enrollment, owner: TargetGroup) -> CustomerEnrolled:
    cycle = enrollment.from_cycle
    return CustomerEnrolled(
        key=enrollment.key,
        customer_id=account.customer_id,
        group_id=owner.group_id,
        target_id=account.target_id,
        enrolled_at=enrollment.enrolled_at,
        period_name=None if cycle is None else owner.calendar.numbered(cycle).name,
        initial_balance=enrollment.initial_balance,
        reset_streak_status=enrollment.reset_streak_status,
        origin=enrollment.origin,
    )


def _reward(account: Account, reward: Reward, owner: TargetGroup) -> RewardEarned:
    return RewardEarned(
        key=EventId(reward.reward_id, ""),
        reward_id=reward.reward_id,
        customer_id=account.customer_id,
        group_id=owner.group_id,
        target_id=account.target_id,
        period_name=owner.calendar.numbered(reward.cycle).name,
        allocation=reward.allocation,
        achieved_at=reward.achieved_at,
        level=reward.level,
        value=reward.value,
    )


def _named(event: Told) -> str:
    if isinstance(event, UnenrollRequested):
        return leave_named(event.key)
    return f"enrollment {event.key.id} of {event.key.source}"


def _listed(numbers: list[int]) -> str:
    return f"{len(numbers)} of them, up to {numbers[-1]}" if numbers else "none"
