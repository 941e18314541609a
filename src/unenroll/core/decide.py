"""Decides an event: applies it to its account and returns the new state, the outcome and what to publish."""

from typing import NamedTuple

from unenroll.core.admission import RefusedEvent, admit, check_plan, reward_conflict, to_fact
from unenroll.core.calendar import Calendar
from unenroll.core.changes import Change, SettledAccount, find_changes
from unenroll.core.definitions import DefinitionSet, Target
from unenroll.core.events import CustomerEnrolled, Event, RewardEarned, RewardIssued, UnenrollRequested
from unenroll.core.facts import Account, Issuance, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.sentences import rejection_detail
from unenroll.core.settle import Settlement, settle


class AccountState(NamedTuple):
    """The facts of an account and its last settlement."""

    account: Account
    settled: SettledAccount = SettledAccount()


class Rejection(NamedTuple):
    """The first answer of a request whose outcome is not UNENROLLED. `detail` is a sentence for people."""

    request: UnenrollRequested
    outcome: Outcome
    detail: str


class Decision(NamedTuple):
    """The account after an event, and the changes to publish. `outcome` is that of a request, None for a fact."""

    state: AccountState
    settlement: Settlement
    changes: tuple[Change | Rejection, ...]
    outcome: Outcome | None = None


class RefusedRequest(NamedTuple):
    """A request with a final rejection. It does not become a fact of the account (rules.md section 4)."""

    rejection: Rejection


def decide(
    event: Event, definitions: DefinitionSet, state: AccountState | None = None, *, decisions: int = 0
) -> Decision | RefusedRequest | RefusedEvent:
    """Decide the event and return the new state of its account with the changes to publish, or why it is refused.

    `state` is None for an account without facts. `decisions` is the number of decisions on the account so far. The
    ledger filters out events that were decided before; if one comes here, it changes and publishes nothing.
    """
    if state is None:
        state = AccountState(account=Account(customer_id=event.customer_id, target_id=event.target_id))
    if isinstance(event, UnenrollRequested):
        return _decide_request(event, definitions, state, decisions=decisions)
    return _decide_fact(event, definitions, state)


def resettle(state: AccountState, target: Target, calendar: Calendar) -> Decision:
    """Settle the account again, after its calendar got new cycles (rules.md section 4)."""
    return _settle_account(state.account, state.settled, target=target, calendar=calendar)


def _decide_request(
    request: UnenrollRequested, definitions: DefinitionSet, state: AccountState, *, decisions: int
) -> Decision | RefusedRequest:
    outcome = admit(request, definitions) or check_plan(request, state.account, decisions=decisions)
    if outcome is not None:
        return RefusedRequest(_rejection(request, outcome))
    leave = Leave(request.key, request.effective_at, request.reason, request.requested_by)
    group = definitions.groups[request.group_id]
    return _settle_account(
        state.account.with_fact(leave),
        state.settled,
        target=group.targets[request.target_id],
        calendar=group.calendar,
        request=request,
    )


def _decide_fact(
    event: CustomerEnrolled | RewardEarned | RewardIssued, definitions: DefinitionSet, state: AccountState
) -> Decision | RefusedEvent:
    fact = to_fact(event, definitions)
    if isinstance(fact, RefusedEvent):
        return fact
    if isinstance(fact, Reward):
        existing = state.account.reward(fact.reward_id)
        conflict = reward_conflict(fact, existing, customer_id=event.customer_id)
        if conflict is not None:
            return conflict
    account = state.account.with_fact(fact)
    if isinstance(event, RewardEarned) and event.issued_at is not None:
        account = account.with_fact(Issuance(reward_id=event.reward_id, issued_at=event.issued_at))
    group = definitions.groups[definitions.owners[event.target_id]]
    return _settle_account(account, state.settled, target=group.targets[event.target_id], calendar=group.calendar)


def _settle_account(
    account: Account,
    before: SettledAccount,
    *,
    target: Target,
    calendar: Calendar,
    request: UnenrollRequested | None = None,
) -> Decision:
    settlement = settle(account, target, calendar)
    settled, changes = find_changes(before, settlement, account=account, target=target, calendar=calendar)
    state = AccountState(account, settled)
    if request is None:
        return Decision(state, settlement, changes)
    outcome = settlement.leaves[request.key].outcome
    if outcome is Outcome.UNENROLLED or request.key in before.leaves:
        return Decision(state, settlement, changes, outcome)
    return Decision(state, settlement, (_rejection(request, outcome), *changes), outcome)


def _rejection(request: UnenrollRequested, outcome: Outcome) -> Rejection:
    return Rejection(request=request, outcome=outcome, detail=rejection_detail(outcome, request))
