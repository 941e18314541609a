"""Target groups, their targets, and which new version of a group is accepted (rules.md section 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from unenroll.core.calendar import Calendar


class TargetKind(StrEnum):
    """The kind of a target: MILESTONE has one goal per cycle, STREAK has levels over consecutive cycles."""

    MILESTONE = "MILESTONE"
    STREAK = "STREAK"


class EnrollmentMode(StrEnum):
    """Who takes part in a target: EXPLICIT, customers who enroll; AUTOMATIC, every customer from cycle 1 on."""

    EXPLICIT = "EXPLICIT"
    AUTOMATIC = "AUTOMATIC"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Something that a customer can achieve. `levels` ascend; a milestone has none."""

    target_id: int
    name: str
    kind: TargetKind
    active: bool = True
    enrollment: EnrollmentMode = EnrollmentMode.EXPLICIT
    levels: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetGroup:
    """One version of a target group (a campaign): its calendar, and its targets by id."""

    group_id: int
    name: str
    version: int
    active: bool
    time_zone: str
    calendar: Calendar
    targets: Mapping[int, Target]


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionSet:
    """The definitions that decisions need: groups by id, and by target id the id of the group that owns it.

    The group that defined a target first owns it. `groups` contains every defined group that an event names, and the
    owner of every defined target that an event names.
    """

    groups: Mapping[int, TargetGroup]
    owners: Mapping[int, int]

    def owner(self, target_id: int) -> TargetGroup | None:
        """Return the group that owns the target, or None if no group defines it."""
        owner = self.owners.get(target_id)
        return None if owner is None else self.groups[owner]

    def target(self, target_id: int) -> Target | None:
        """Return the target as its owner defines it, or None if no group defines it."""
        owner = self.owner(target_id)
        return None if owner is None else owner.targets[target_id]


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceptedDefinition:
    """The new version replaces the old one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IgnoredDefinition:
    """The version changes nothing: it is older than the current one, or the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedDefinition:
    """The version would change something that earlier decisions used. `detail` is a sentence for people."""

    detail: str


Verdict = AcceptedDefinition | IgnoredDefinition | RefusedDefinition


def check_definition(old: TargetGroup | None, new: TargetGroup) -> Verdict:
    """Return whether `new` may replace `old`, the current version: definitions are append-only (section 4)."""
    if old is None:
        return AcceptedDefinition()
    if new.version < old.version or new == old:
        return IgnoredDefinition()
    if new.version == old.version:
        return RefusedDefinition(
            detail=f"Group {new.group_id} already has a version {new.version} with different content."
        )
    violation = _changed_cycle(old.calendar, new.calendar) or _changed_target(old, new)
    if violation is None:
        return AcceptedDefinition()
    return RefusedDefinition(detail=f"Version {new.version} of group {new.group_id} {violation}.")


def _changed_cycle(old: Calendar, new: Calendar) -> str | None:
    for position, cycle in enumerate(old.cycles):
        if new.cycle_named(cycle.name) is None:
            return f"removes or renames cycle {cycle.name}"
        if new.cycles[position] != cycle:
            return f"moves cycle {cycle.name} or inserts a cycle before it"
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
