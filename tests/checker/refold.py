"""The facts of a history folded once more by the core, one decision after the other, from nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from checker.account_courses import Grown, Number
from checker.steps import Pair, step
from unenroll.core.decide import AccountState
from unenroll.core.definitions import DefinitionSet, TargetGroup
from unenroll.core.events import AccountKey
from unenroll.postgres.accounts import KnownAccount
from unenroll.wire.topics import Message


@dataclass(frozen=True, kw_only=True)
class Folded:
    """What became of an account."""

    state: AccountState
    decisions: int
    waits: bool


@dataclass(frozen=True, kw_only=True)
class Ends:
    """What the database holds in the end: all versions of the groups as they came, accounts, and outputs."""

    groups: Sequence[TargetGroup]
    accounts: Mapping[AccountKey, KnownAccount]
    kept: frozenset[Message]


@dataclass(kw_only=True)
class Refold:
    """`outputs`: what each decision publishes. `odd`: where the ledger says otherwise than the core."""

    outputs: dict[Number, tuple[Message, ...]] = field(default_factory=dict)
    accounts: dict[AccountKey, Folded] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)


def definitions_of(groups: Iterable[TargetGroup]) -> DefinitionSet:
    """All that is defined: of each group the last version. The first group that defines a target owns it."""
    owners: dict[int, int] = {}
    known = {group.group_id: group for group in groups}
    for group in known.values():
        for target_id in group.targets:
            owners.setdefault(target_id, group.group_id)
    return DefinitionSet(groups=known, owners=owners)


def refold(decided: Iterable[Pair], ends: Ends) -> Refold:
    """Fold the events of the ledger, of each account in the order of its decisions."""
    found = Refold()
    definitions = definitions_of(ends.groups)
    by_account: Mapping[AccountKey, list[Pair]] = defaultdict(list)
    for row, received in decided:
        if row.decision is None:
            _, told, odd = step((row, received), definitions)
            found.outputs[row.lane_id or 0, row.sequence or 0] = told
            found.odd += odd
        else:
            by_account[AccountKey(row.customer_id, row.target_id)].append((row, received))
    for key, pairs in by_account.items():
        chronological = sorted(pairs, key=lambda pair: pair[0].decision or 0)
        _account(found, key, chronological, definitions=definitions, ends=ends)
    return found


def _account(found: Refold, key: AccountKey, pairs: Sequence[Pair], *, definitions: DefinitionSet, ends: Ends) -> None:
    numbers = [row.decision for row, _ in pairs]
    if numbers != list(range(1, len(pairs) + 1)):
        found.odd.append(f"account {key} has the decisions {numbers}")
    owner = definitions.owner(key.target_id)
    if owner is None:
        found.odd.append(f"account {key} is of a target that nobody defined")
        return
    versions = [group for group in ends.groups if group.group_id == owner.group_id]
    grown = Grown(definitions=definitions, versions=versions, kept=ends.kept)
    course = grown.course(pairs, ends.accounts.get(key))
    found.outputs.update(course.outputs)
    found.odd += course.odd
    if course.state is not None:
        found.accounts[key] = Folded(state=course.state, decisions=len(pairs), waits=course.waits)
