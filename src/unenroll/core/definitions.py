"""Target groups and their targets, as defined upstream."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from unenroll.core.calendar import Calendar


class TargetKind(StrEnum):
    """What a customer can achieve: one goal per cycle, or levels over cycles in a row."""

    MILESTONE = "MILESTONE"
    STREAK = "STREAK"


class EnrollmentMode(StrEnum):
    """Who takes part: those who enroll, or everybody from cycle 1."""

    EXPLICIT = "EXPLICIT"
    AUTOMATIC = "AUTOMATIC"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a customer of the group can achieve."""

    target_id: int
    name: str
    kind: TargetKind
    active: bool = True
    enrollment: EnrollmentMode = EnrollmentMode.EXPLICIT
    levels: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetGroup:
    """A campaign at one version of its definition: its calendar and its targets by id."""

    group_id: int
    name: str
    version: int
    active: bool
    time_zone: str
    calendar: Calendar
    targets: Mapping[int, Target]


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionSet:
    """What a decision may need: the groups by id, and by target the id of the group that defined it first.

    `groups` holds every known group that an event names, and the owner of every target that one names.
    """

    groups: Mapping[int, TargetGroup]
    owners: Mapping[int, int]

    def owner(self, target_id: int) -> TargetGroup | None:
        """The group that defined the target first, or None if nobody did."""
        owner = self.owners.get(target_id)
        return None if owner is None else self.groups[owner]

    def target(self, target_id: int) -> Target | None:
        """The target as the group that defined it first has it, or None if nobody did."""
        owner = self.owner(target_id)
        return None if owner is None else owner.targets[target_id]


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The new version is in force."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ignored:
    """The version is older than the one in force, or that one again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedDefinition:
    """The version would take back what decisions were built on. `detail` is for people."""

    detail: str


Verdict = Accepted | Ignored | RefusedDefinition


def accept(old: TargetGroup | None, new: TargetGroup) -> Verdict:
    """Whether a version of a group may follow the one in force: definitions are append-only (rules.md section 4)."""
    if old is None:
        return Accepted()
    if new.version < old.version or new == old:
        return Ignored()
    if new.version == old.version:
        return RefusedDefinition(detail=f"Group {new.group_id} has a version {new.version} with other content.")
    broken = _moved_cycle(old.calendar, new.calendar) or _changed_target(old, new)
    if broken is None:
        return Accepted()
    return RefusedDefinition(detail=f"Version {new.version} of group {new.group_id} {broken}.")


def _moved_cycle(old: Calendar, new: Calendar) -> str | None:
    for position, cycle in enumerate(old.cycles):
        if new.named(cycle.name) is None:
            return f"removes or renames cycle {cycle.name}"
        if new.cycles[position] != cycle:
            return f"moves cycle {cycle.name}, or puts another one before it"
    return None


def _changed_target(old: TargetGroup, new: TargetGroup) -> str | None:
    for target_id, target in old.targets.items():
        successor = new.targets.get(target_id)
        if successor is None:
            return f"removes target {target_id}"
        if successor.kind is not target.kind:
            return f"changes the kind of target {target_id}"
        if successor.levels != target.levels:
            return f"changes the levels of target {target_id}"
        if successor.enrollment is not target.enrollment:
            return f"changes the enrollment of target {target_id}"
    return None
