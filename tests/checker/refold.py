"""The facts of a history folded once more by the core, one decision after the other, from nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from unenroll.core.calendar import Calendar
from unenroll.core.decide import AccountState, Decided, Refused, decide
from unenroll.core.definitions import Definitions, Group
from unenroll.core.events import Event
from unenroll.core.place import Misplaced
from unenroll.core.settle import waits
from unenroll.store.accounts import AccountKey
from unenroll.store.ledger import LedgerRow
from unenroll.wire.decode import Received
from unenroll.wire.due import SettlementDue
from unenroll.wire.publish import Context, encode
from unenroll.wire.record import Message

Number = tuple[int, int]
"""A lane, and the number of a decision in it."""

Pair = tuple[LedgerRow, Received]


@dataclass(frozen=True, kw_only=True)
class Folded:
    """What became of an account."""

    state: AccountState
    decisions: int
    waits: bool


@dataclass(kw_only=True)
class Refold:
    """`outputs`: what each decision publishes. `odd`: where the ledger says otherwise than the core."""

    outputs: dict[Number, tuple[Message, ...]] = field(default_factory=dict)
    accounts: dict[AccountKey, Folded] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)


def definitions_of(groups: Iterable[Group]) -> Definitions:
    """All that is defined. The first group that defines a target owns it."""
    owners: dict[int, int] = {}
    known = {group.group_id: group for group in groups}
    for group in known.values():
        for target_id in group.targets:
            owners.setdefault(target_id, group.group_id)
    return Definitions(groups=known, owners=owners)


def refold(decided: Iterable[Pair], definitions: Definitions) -> Refold:
    """Fold the events of the ledger, of each account in the order of its decisions."""
    found = Refold()
    by_account: Mapping[AccountKey, list[Pair]] = defaultdict(list)
    for row, received in decided:
        if row.decision is None:
            _one(found, row, received, definitions=definitions, state=None)
        else:
            by_account[AccountKey(row.customer_id, row.target_id)].append((row, received))
    for key, pairs in by_account.items():
        _account(found, key, sorted(pairs, key=lambda pair: pair[0].decision or 0), definitions=definitions)
    return found


def _account(found: Refold, key: AccountKey, pairs: Sequence[Pair], *, definitions: Definitions) -> None:
    numbers = [row.decision for row, _ in pairs]
    if numbers != list(range(1, len(pairs) + 1)):
        found.odd.append(f"account {key} has the decisions {numbers}")
    state: AccountState | None = None
    for row, received in pairs:
        decided = _one(found, row, received, definitions=definitions, state=state)
        if decided is not None:
            state = decided.state
            waiting = waits(decided.settlement)
            found.accounts[key] = Folded(state=state, decisions=len(pairs), waits=waiting)


def _one(
    found: Refold, row: LedgerRow, received: Received, *, definitions: Definitions, state: AccountState | None
) -> Decided | None:
    event = received.event
    assert not isinstance(event, SettlementDue), "no campaign appends cycles yet"
    decided = decide(event, definitions, state)
    if isinstance(decided, Misplaced):
        found.odd.append(f"{row.key} has no place ({decided.reason}), and the ledger has it")
        return None
    outcome = decided.rejected.outcome if isinstance(decided, Refused) else decided.outcome
    if outcome != row.outcome or isinstance(decided, Refused) != (row.decision is None):
        found.odd.append(f"{row.key} is {outcome} by the core, and {row.outcome} in the ledger")
    told = (decided.rejected,) if isinstance(decided, Refused) else decided.changes
    context = _context(row, event, received.traceparent, definitions=definitions)
    if row.lane_id is not None and row.sequence is not None:
        found.outputs[row.lane_id, row.sequence] = tuple(encode(change, context) for change in told)
    return None if isinstance(decided, Refused) else decided


def _context(row: LedgerRow, event: Event, trace: bytes | None, *, definitions: Definitions) -> Context:
    owner = definitions.owner(event.target_id)
    return Context(
        customer_id=event.customer_id,
        group_id=0 if owner is None else owner.group_id,
        target_id=event.target_id,
        cause=event.key,
        decided_at=row.decided_at,
        calendar=Calendar(()) if owner is None else owner.calendar,
        traceparent=trace,
    )
