"""The courses that an account's decisions may have taken.

A group grows while the lanes decide, and the ledger does not say which version of it a decision knew: no older one
than the account's decision before, and no older one than a `SettlementDue` names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from checker.steps import Pair, step
from unenroll.core.decide import AccountState
from unenroll.core.definitions import DefinitionSet, TargetGroup
from unenroll.core.events import SettlementDue
from unenroll.core.settle import awaits_cycles
from unenroll.postgres.accounts import KnownAccount
from unenroll.wire.topics import Message

Number = tuple[int, int]
"""A lane, and the number of a decision in it."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """An account behind some decisions. `knew`: the place of the oldest version that the last of them can have known.

    `outputs`: what each decision publishes. `odd`: where the ledger says otherwise than the core.
    """

    knew: int = 0
    state: AccountState | None = None
    waits: bool = False
    outputs: Mapping[Number, tuple[Message, ...]] = field(default_factory=dict)
    odd: tuple[str, ...] = ()

    def is_like(self, other: "Course") -> bool:
        """Whether it leads where the other does, which may have known an older version."""
        return replace(self, knew=other.knew) == other

    def ends_as(self, kept: KnownAccount | None) -> bool:
        return kept is not None and (self.state, self.waits) == (kept.state, kept.waits)


@dataclass(frozen=True, kw_only=True)
class Grown:
    """One group as it grew, amid all that is defined. `kept`: whatever the lanes have decided to publish."""

    definitions: DefinitionSet
    versions: Sequence[TargetGroup]
    kept: frozenset[Message]

    def course(self, pairs: Iterable[Pair], ended: KnownAccount | None) -> Course:
        """The course that an account's decisions have taken, or if none fits all that is kept, one that might be."""
        courses = [Course()]
        for pair in pairs:
            courses = self._behind(courses, pair)
        return next((one for one in courses if one.ends_as(ended)), courses[0])

    def _behind(self, courses: Iterable[Course], pair: Pair) -> list[Course]:
        possible: list[Course] = []
        for one in (after for before in courses for after in self._after(before, pair)):
            if not any(one.is_like(other) for other in possible):
                possible.append(one)
        likely = [one for one in possible if self.kept.issuperset(one.outputs[_number(pair)])] or possible
        least = min(len(one.odd) for one in likely)
        return [one for one in likely if len(one.odd) == least]

    def _after(self, course: Course, pair: Pair) -> Iterator[Course]:
        least = self._least(pair)
        for place in range(course.knew, len(self.versions)):
            if self.versions[place].version >= least:
                yield self._knowing(place, course, pair)

    def _least(self, pair: Pair) -> int:
        """The oldest version that may decide; the last one of all, where none is as young as it should be."""
        event = pair[1].event
        asked = event.version if isinstance(event, SettlementDue) else 0
        return min(asked, self.versions[-1].version)

    def _knowing(self, place: int, course: Course, pair: Pair) -> Course:
        decided, published, odd = step(pair, _with(self.definitions, self.versions[place]), course.state)
        return Course(
            knew=place,
            state=course.state if decided is None else decided.state,
            waits=course.waits if decided is None else awaits_cycles(decided.settlement),
            outputs={**course.outputs, _number(pair): published},
            odd=(*course.odd, *odd),
        )


def _number(pair: Pair) -> Number:
    """Of a fact that was loaded: none that a lane gives."""
    row, _ = pair
    return row.lane_id or 0, row.sequence or 0


def _with(definitions: DefinitionSet, group: TargetGroup) -> DefinitionSet:
    return DefinitionSet(groups={**definitions.groups, group.group_id: group}, owners=definitions.owners)
