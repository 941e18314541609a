"""Compare an account with its rows in the ledger: every decision is there, and every fact has its event. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from unenroll.core.definitions import TargetGroup
from unenroll.core.events import CustomerEnrolled, EventId, RewardEarned, UnenrollRequested
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.ops.verify.differences import AccountCheck, CheckedAgainst, Difference, leave_text, reward_text
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.audit import AuditedAccount, LedgerReceipt
from unenroll.wire.content_hash import CONTENT_VERSION, content_hash
from unenroll.wire.encode import event_uuid

_ADDS_A_LEAVE = frozenset({Outcome.NOT_ENROLLED, Outcome.ALREADY_UNENROLLED, Outcome.NOTHING_LEFT, Outcome.UNENROLLED})
_AFTER_UNENROLLED = frozenset({Outcome.UNENROLLED, Outcome.ALREADY_UNENROLLED})
_WRONG_CONTENT = "a fact that differs from the event that was received"

FactEvent = UnenrollRequested | CustomerEnrolled


def ledger_differences(one: AuditedAccount, known: KnownAccount, owner: TargetGroup) -> list[Difference]:
    """Return the differences. Where rows of the account were pruned, facts without a row count as right."""
    check = AccountCheck(one.key, CheckedAgainst.LEDGER)
    has_all_rows = _check_decision_numbers(known.decisions, one.receipts, check)
    receipts = {str(receipt.event_key): receipt for receipt in one.receipts}
    for event in _fact_events(known.state.account, owner):
        receipt = receipts.get(event_uuid(event.key))
        if receipt is not None:
            _check_event(event, receipt, check)
        else:
            stored = "a fact without a row in the ledger"
            check.check(not has_all_rows, _event_text(event), stored=stored, expected="a row")
    if has_all_rows:
        _check_rewards(known.state.account, one.receipts, owner=owner, check=check)
    _check_outcomes(known, receipts, check)
    return check.differences


def _check_decision_numbers(decisions: int, receipts: Sequence[LedgerReceipt], check: AccountCheck) -> bool:
    """Check that no number is missing, except the first ones, which may be pruned. Returns whether all are there."""
    numbers = sorted(receipt.decision for receipt in receipts if receipt.decision is not None)
    complete = numbers == list(range(1, decisions + 1))
    pruned = numbers == list(range(decisions - len(numbers) + 1, decisions + 1))
    stored = f"{len(numbers)} numbers, up to {numbers[-1]}" if numbers else "none"
    check.check(complete or pruned, "the numbers of its decisions", stored=stored, expected=f"1 to {decisions}")
    return complete


def _check_event(event: FactEvent, receipt: LedgerReceipt, check: AccountCheck) -> None:
    about = _event_text(event)
    check.check_equal(about, stored=receipt.event_type, expected=type(event).__name__)
    if receipt.content_version == CONTENT_VERSION:
        same = receipt.content_hash == content_hash(event)
        check.check(same, about, stored=_WRONG_CONTENT, expected="the content in the ledger")


def _check_rewards(
    account: Account, receipts: Sequence[LedgerReceipt], *, owner: TargetGroup, check: AccountCheck
) -> None:
    """Check that each reward that was not issued has an event in the ledger.

    A reward does not name its event, and an issued one does not have all its content. So look for the content's hash.
    """
    earned = [receipt for receipt in receipts if receipt.event_type == RewardEarned.__name__]
    if any(receipt.content_version != CONTENT_VERSION for receipt in earned):
        return
    hashes = {receipt.content_hash for receipt in earned}
    for reward in account.rewards:
        same = reward.reward_id in account.issuances or content_hash(_earned(account, reward, owner)) in hashes
        about = reward_text(reward.reward_id)
        check.check(same, about, stored=_WRONG_CONTENT, expected="a content in the ledger")


def _check_outcomes(known: KnownAccount, receipts: Mapping[str, LedgerReceipt], check: AccountCheck) -> None:
    """Check that each leave's outcome can follow from the first answer to its request."""
    for key, leave in known.state.settled.leaves.items():
        receipt = receipts.get(event_uuid(key))
        if receipt is not None:
            first = receipt.outcome
            possible = first in _ADDS_A_LEAVE and (first != Outcome.UNENROLLED or leave.outcome in _AFTER_UNENROLLED)
            check.check(possible, leave_text(key), stored=("first answered", first), expected=leave.outcome)


def _fact_events(account: Account, owner: TargetGroup) -> Iterator[FactEvent]:
    """Yield the events of the account's leaves and enrollments, as they must have been received."""
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
        period_name=None if cycle is None else owner.calendar.cycle_numbered(cycle).name,
        initial_balance=enrollment.initial_balance,
        reset_streak_status=enrollment.reset_streak_status,
        origin=enrollment.origin,
    )


def _earned(account: Account, reward: Reward, owner: TargetGroup) -> RewardEarned:
    return RewardEarned(
        key=EventId(reward.reward_id, ""),
        reward_id=reward.reward_id,
        customer_id=account.customer_id,
        group_id=owner.group_id,
        target_id=account.target_id,
        period_name=owner.calendar.cycle_numbered(reward.cycle).name,
        allocation=reward.allocation,
        achieved_at=reward.achieved_at,
        level=reward.level,
        value=reward.value,
    )


def _event_text(event: FactEvent) -> str:
    if isinstance(event, UnenrollRequested):
        return leave_text(event.key)
    return f"enrollment {event.key.id} of {event.key.source}"
