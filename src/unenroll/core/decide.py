"""Decides an event: applies it to its account and returns the new state, the outcome and what to publish."""

from typing import NamedTuple

from unenroll.core.admission import RefusedEvent, admit, check_plan, reward_conflict, to_fact
from unenroll.core.calendar import Calendar
from unenroll.core.changes import Change, SettledAccount, SettledScope, find_changes
from unenroll.core.definitions import DefinitionSet, Target
from unenroll.core.events import CustomerEnrolled, Event, RewardEarned, RewardIssued, UnenrollRequested
from unenroll.core.facts import Account, Fact, Issuance, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.sentences import rejection_detail
from unenroll.core.settle import Settlement, settle, settle_reward


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
    event: Event,
    definitions: DefinitionSet,
    state: AccountState | None = None,
    *,
    decisions: int = 0,
    last: Settlement | None = None,
) -> Decision | RefusedRequest | RefusedEvent:
    """Decide the event and return the new state of its account with the changes to publish, or why it is refused.

    `state` is None for an account without facts. `decisions` is the number of decisions on the account so far. `last`
    is the settlement that the last decision returned, if the caller has it: with it, a reward costs little on a large
    account. The ledger filters out events that were decided before; if one comes here, it changes and publishes
    nothing.
    """
    if state is None:
        state = AccountState(account=Account(customer_id=event.customer_id, target_id=event.target_id))
    if isinstance(event, UnenrollRequested):
        return _decide_request(event, definitions, state, decisions=decisions)
    return _decide_fact(event, definitions, state, last=last)


def resettle(state: AccountState, target: Target, calendar: Calendar) -> Decision:
    """Settle the account again, after its calendar got new cycles (rules.md section 4)."""
    return _settled(
        state.settled, settle(state.account, target, calendar), SettledScope(state.account, target, calendar)
    )


def _decide_request(
    request: UnenrollRequested, definitions: DefinitionSet, state: AccountState, *, decisions: int
) -> Decision | RefusedRequest:
    outcome = admit(request, definitions) or check_plan(request, state.account, decisions=decisions)
    if outcome is not None:
        return RefusedRequest(_rejection(request, outcome))
    leave = Leave(request.key, request.effective_at, request.reason, request.requested_by)
    group = definitions.groups[request.group_id]
    with_leave = AccountState(state.account.with_fact(leave), state.settled)
    decision = resettle(with_leave, group.targets[request.target_id], group.calendar)
    settled, settlement, changes, _ = decision
    outcome = settlement.leaves[request.key].outcome
    if outcome is not Outcome.UNENROLLED and request.key not in state.settled.leaves:
        changes = (_rejection(request, outcome), *changes)
    return Decision(settled, settlement, changes, outcome)


def _decide_fact(
    event: CustomerEnrolled | RewardEarned | RewardIssued,
    definitions: DefinitionSet,
    state: AccountState,
    *,
    last: Settlement | None,
) -> Decision | RefusedEvent:
    fact = to_fact(event, definitions)
    if isinstance(fact, RefusedEvent):
        return fact
    group = definitions.groups[definitions.owners[event.target_id]]
    target = group.targets[event.target_id]
    if isinstance(event, CustomerEnrolled):
        return resettle(AccountState(state.account.with_fact(fact), state.settled), target, group.calendar)
    before = _known_reward(event.reward_id, state.account, last)
    if isinstance(fact, Reward):
        conflict = reward_conflict(fact, before, customer_id=event.customer_id)
        if conflict is not None:
            return conflict
    account = _with_reward(state.account, event, before or fact, is_known=before is not None)
    reward = before or (fact if isinstance(fact, Reward) else None)
    return _settle_reward(
        AccountState(account, state.settled), reward, SettledScope(account, target, group.calendar), last=last
    )


def _known_reward(reward_id: str, account: Account, last: Settlement | None) -> Reward | None:
    """Return the reward if the account has it. The last settlement finds out sooner that it has not."""
    return None if last is not None and reward_id not in last.standings else account.reward(reward_id)


def _with_reward(account: Account, event: RewardEarned | RewardIssued, fact: Fact, *, is_known: bool) -> Account:
    """Return the account with the reward, unless it is known, and with its payment, if the event tells of one."""
    if isinstance(fact, Reward) and not is_known:
        account = account._replace(rewards=(*account.rewards, fact))
    if event.issued_at is None:
        return account
    return account.with_fact(Issuance(reward_id=event.reward_id, issued_at=event.issued_at))


def _settle_reward(
    state: AccountState, reward: Reward | None, scope: SettledScope, *, last: Settlement | None
) -> Decision:
    """Settle an account that has got a reward or its payment. `reward` is None if it was paid before it is known."""
    account, target, calendar, _ = scope
    if last is None:
        return _settled(state.settled, settle(account, target, calendar), scope)
    if reward is None:
        return _settled(state.settled, last, scope._replace(rewards=()))
    settlement, rewards = settle_reward(last, reward, account, target=target, calendar=calendar)
    return _settled(state.settled, settlement, scope._replace(rewards=rewards))


def _settled(before: SettledAccount, settlement: Settlement, scope: SettledScope) -> Decision:
    settled, changes = find_changes(before, settlement, scope)
    return Decision(AccountState(scope.account, settled), settlement, changes)


def _rejection(request: UnenrollRequested, outcome: Outcome) -> Rejection:
    return Rejection(request=request, outcome=outcome, detail=rejection_detail(outcome, request))
