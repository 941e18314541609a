"""One event folded into one account: what it changes, and what is published of that."""

from typing import NamedTuple

from unenroll.core.admission import Misplaced, admit, as_planned, contradiction, place
from unenroll.core.calendar import Calendar
from unenroll.core.changes import Change, SettledAccount, changes
from unenroll.core.definitions import DefinitionSet, Target
from unenroll.core.events import CustomerEnrolled, Event, RewardEarned, RewardIssued, UnenrollRequested
from unenroll.core.facts import Account, Issuance, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.sentences import rejection
from unenroll.core.settle import Settlement, settle


class AccountState(NamedTuple):
    """What is known of an account, and what that was last settled to."""

    account: Account
    settled: SettledAccount = SettledAccount()


class Rejected(NamedTuple):
    """A request's first answer, where it is not that the customer left. `detail` is a sentence for people."""

    request: UnenrollRequested
    outcome: Outcome
    detail: str


class Decision(NamedTuple):
    """The account after an event, its settlement, and what is published. `outcome`: of a request, else None."""

    state: AccountState
    settlement: Settlement
    changes: tuple[Change | Rejected, ...]
    outcome: Outcome | None = None


class RefusedRequest(NamedTuple):
    """A request that is refused for good. It leaves no fact (rules.md section 4)."""

    rejected: Rejected


def decide(
    event: Event, definitions: DefinitionSet, state: AccountState | None = None, *, decisions: int = 0
) -> Decision | RefusedRequest | Misplaced:
    """What the event does to the account that it names; `state` None: nothing is known of the account yet.

    `decisions` is how many were made on the account. The ledger keeps away what was decided before; here such an event
    would change and publish nothing.
    """
    if state is None:
        state = AccountState(account=Account(customer_id=event.customer_id, target_id=event.target_id))
    if isinstance(event, UnenrollRequested):
        return _decide_request(event, definitions, state, decisions=decisions)
    return _decide_fact(event, definitions, state)


def resettle(state: AccountState, target: Target, calendar: Calendar) -> Decision:
    """The account settled again, with cycles that were appended since."""
    return _decided(state.account, state.settled, target=target, calendar=calendar)


def _decide_request(
    request: UnenrollRequested, definitions: DefinitionSet, state: AccountState, *, decisions: int
) -> Decision | RefusedRequest:
    refused = admit(request, definitions) or as_planned(request, state.account, decisions=decisions)
    if refused is not None:
        return RefusedRequest(rejected=_rejected(request, refused))
    leave = Leave(request.key, request.effective_at, request.reason, request.requested_by)
    group = definitions.groups[request.group_id]
    return _decided(
        state.account.knowing(leave),
        state.settled,
        target=group.targets[request.target_id],
        calendar=group.calendar,
        request=request,
    )


def _decide_fact(
    event: CustomerEnrolled | RewardEarned | RewardIssued, definitions: DefinitionSet, state: AccountState
) -> Decision | Misplaced:
    fact = place(event, definitions)
    if isinstance(fact, Misplaced):
        return fact
    if isinstance(fact, Reward):
        known = state.account.reward(fact.reward_id)
        contradicted = contradiction(fact, known, customer_id=event.customer_id)
        if contradicted is not None:
            return contradicted
    account = state.account.knowing(fact)
    if isinstance(event, RewardEarned) and event.issued_at is not None:
        account = account.knowing(Issuance(reward_id=event.reward_id, issued_at=event.issued_at))
    group = definitions.groups[definitions.owners[event.target_id]]
    return _decided(account, state.settled, target=group.targets[event.target_id], calendar=group.calendar)


def _decided(
    account: Account,
    before: SettledAccount,
    *,
    target: Target,
    calendar: Calendar,
    request: UnenrollRequested | None = None,
) -> Decision:
    settlement = settle(account, target, calendar)
    settled, told = changes(before, settlement, account=account, target=target, calendar=calendar)
    state = AccountState(account, settled)
    if request is None:
        return Decision(state, settlement, told)
    outcome = settlement.leaves[request.key].outcome
    if outcome is Outcome.UNENROLLED or request.key in before.leaves:
        return Decision(state, settlement, told, outcome)
    return Decision(state, settlement, (_rejected(request, outcome), *told), outcome)


def _rejected(request: UnenrollRequested, outcome: Outcome) -> Rejected:
    return Rejected(request=request, outcome=outcome, detail=rejection(outcome, request))
