"""What the facts of a chunk add to their accounts: a verdict on each in order, and each account settled once. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from unenroll.core.definitions import Group
from unenroll.core.place import Misplaced, place
from unenroll.load.fact import Fact
from unenroll.load.gather import Gathered
from unenroll.load.growing import Growing
from unenroll.store.accounts import AccountKey, Changed, changed, unheard
from unenroll.store.erased import is_before
from unenroll.store.ledger import NOWHERE, Content, EventKey, LedgerRow
from unenroll.wire.concerned import happened
from unenroll.wire.refusals import DeadLetter, Reason, id_conflict, of_misplaced


class Taken(StrEnum):
    """What became of a line that is in order."""

    DEFINITION = "definition"
    FACT = "fact"
    DUPLICATE = "duplicate"
    ERASED = "erased"


Verdict = LedgerRow | Taken | DeadLetter


@dataclass(kw_only=True, slots=True)
class Additions:
    """The verdicts on a chunk, decided at one moment. Nothing in it may publish anything."""

    gathered: Gathered
    decided_at: datetime
    _known: dict[EventKey, Content] = field(init=False)
    _growing: dict[AccountKey, Growing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with what the ledger knows."""
        self._known = dict(self.gathered.known)

    def take(self, contents: Iterable[Fact | DeadLetter]) -> list[Verdict]:
        """A ledger row for each fact that is new, a reason for each that is bad."""
        return [one if isinstance(one, DeadLetter) else self._verdict(one) for one in contents]

    def changed(self) -> Changed:
        """The accounts that have grown, settled."""
        now = {key: growing.settled(self._owner(key)) for key, growing in self._growing.items()}
        return changed(self.gathered.accounts, now)

    def _verdict(self, fact: Fact) -> Verdict:
        known = self._known.get(fact.key)
        if known is not None:
            return id_conflict(fact.told.event.key) if known.contradicts(fact.content) else Taken.DUPLICATE
        if is_before(self.gathered.erased, fact.key.customer_id, happened(fact.told.event, fact.told.time)):
            return Taken.ERASED
        account = self.gathered.accounts.get(fact.account)
        if account is not None and account.state.account.leaves:
            return _has_left(fact.account)
        placed = place(fact.told.event, self.gathered.definitions)
        if isinstance(placed, Misplaced):
            return of_misplaced(placed)
        growing = self._growing.get(fact.account) or Growing(before=account or unheard(fact.account))
        refused = growing.learn(fact.told.event, placed)
        if refused is not None:
            return refused
        self._growing[fact.account] = growing
        self._known[fact.key] = fact.content
        return _row(fact, decision=growing.decisions, decided_at=self.decided_at)

    def _owner(self, key: AccountKey) -> Group:
        definitions = self.gathered.definitions
        return definitions.groups[definitions.owners[key.target_id]]


def _row(fact: Fact, *, decision: int, decided_at: datetime) -> LedgerRow:
    row = (*fact.key, fact.told.event_type, *fact.content, fact.account.target_id, None, decision, decided_at)
    return LedgerRow._make((*row, *NOWHERE))


def _has_left(key: AccountKey) -> DeadLetter:
    """Whether a fact then has something to publish is for a lane to find out."""
    detail = f"customer {key.customer_id} has left target {key.target_id}: use `unenroll publish`"
    return DeadLetter(reason=Reason.BELONGS_ON_TOPIC, detail=detail)
