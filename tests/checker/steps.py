"""One decision made again by the core."""

from typing import NamedTuple

from unenroll.core.admission import RefusedEvent
from unenroll.core.calendar import Calendar
from unenroll.core.decide import AccountState, Decision, RefusedRequest, decide, resettle
from unenroll.core.definitions import DefinitionSet
from unenroll.core.events import SettlementDue
from unenroll.core.reasons import Reason
from unenroll.postgres.ledger import LedgerRow
from unenroll.wire.decode import ReceivedEvent
from unenroll.wire.encode import DecisionContext, encode
from unenroll.wire.topics import Message

Pair = tuple[LedgerRow, ReceivedEvent]
"""What the ledger has of an event, and what the event says."""


class Step(NamedTuple):
    """What the core makes of an event. `odd`: where the ledger says otherwise. `decided` None: it leaves no fact."""

    decided: Decision | None
    told: tuple[Message, ...]
    odd: tuple[str, ...]


def step(pair: Pair, definitions: DefinitionSet, state: AccountState | None = None) -> Step:
    """The event decided with these definitions; `state` None: nothing is known of its account yet."""
    row, received = pair
    answer = _answer(received, definitions, state)
    if isinstance(answer, RefusedEvent):
        return Step(None, (), (f"{row.key} has no place ({answer.reason}), and the ledger has it",))
    changes = (answer.rejection,) if isinstance(answer, RefusedRequest) else answer.changes
    context = _context(row, received, definitions)
    told = tuple(encode(change, context) for change in changes)
    return Step(None if isinstance(answer, RefusedRequest) else answer, told, tuple(_odd(row, answer, told)))


def _answer(
    received: ReceivedEvent, definitions: DefinitionSet, state: AccountState | None
) -> Decision | RefusedRequest | RefusedEvent:
    event = received.event
    if not isinstance(event, SettlementDue):
        return decide(event, definitions, state)
    owner = definitions.owner(event.target_id)
    if owner is None or state is None:
        return RefusedEvent(reason=Reason.ACCOUNT_NOT_FOUND, detail="")
    return resettle(state, owner.targets[event.target_id], owner.calendar)


def _odd(row: LedgerRow, answer: Decision | RefusedRequest, told: tuple[Message, ...]) -> list[str]:
    outcome = answer.rejection.outcome if isinstance(answer, RefusedRequest) else answer.outcome
    odd = []
    if outcome != row.outcome or isinstance(answer, RefusedRequest) != (row.decision is None):
        odd.append(f"{row.key} is {outcome} by the core, and {row.outcome} in the ledger")
    if told and row.lane_id is None:
        odd.append(f"{row.key} was loaded, and has something to publish")
    return odd


def _context(row: LedgerRow, received: ReceivedEvent, definitions: DefinitionSet) -> DecisionContext:
    event = received.event
    owner = definitions.owner(event.target_id)
    return DecisionContext(
        customer_id=event.customer_id,
        group_id=0 if owner is None else owner.group_id,
        target_id=event.target_id,
        cause=event.key,
        decided_at=row.decided_at,
        calendar=Calendar(()) if owner is None else owner.calendar,
        traceparent=received.traceparent,
    )
