"""The `data` of `TargetGroupDefined`: a target group with its cycles and targets."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from unenroll.core.calendar import Calendar, InvalidCalendarError
from unenroll.core.definitions import EnrollmentMode, Target, TargetGroup, TargetKind
from unenroll.wire.fields import LARGEST_INT64, Fields, Instant, Int64, Name
from unenroll.wire.reasons import DeadLetter, from_validation_error, schema

MOST_CYCLES = 10_000
MOST_TARGETS = 1_000
MOST_LEVELS = 1_000

_Level = Annotated[int, Field(ge=1, le=LARGEST_INT64)]
_Levels = Annotated[list[_Level], Field(max_length=MOST_LEVELS)]


class CycleDefinition(Fields):
    """A cycle: from `start` to `end`, without `end`."""

    period_name: Name
    start: Instant
    end: Instant


class TargetDefinition(Fields):
    """A target. A streak has ascending levels; a milestone has none."""

    target_id: Int64
    name: Name
    kind: Annotated[TargetKind, Field(strict=False)]
    active: bool | None = None
    enrollment: Annotated[EnrollmentMode, Field(strict=False)] | None = None
    levels: _Levels | None = None

    @model_validator(mode="after")
    def _check_levels(self) -> Self:
        levels = self.levels or []
        if self.kind is TargetKind.MILESTONE and levels:
            raise PydanticCustomError("levels", "a MILESTONE must not have levels")
        if self.kind is TargetKind.STREAK and not levels:
            raise PydanticCustomError("levels", "a STREAK must have levels")
        if any(lower >= higher for lower, higher in pairwise(levels)):
            raise PydanticCustomError("levels", "levels must ascend, each once")
        return self

    def to_target(self) -> Target:
        """Return the target with defaults applied."""
        return Target(
            target_id=self.target_id,
            name=self.name,
            kind=self.kind,
            active=self.active is not False,
            enrollment=self.enrollment or EnrollmentMode.EXPLICIT,
            levels=tuple(self.levels or ()),
        )


class TargetGroupDefined(Fields):
    """One version of a target group."""

    target_group_id: Int64
    name: Name
    version: Int64
    active: bool
    time_zone: Name
    cycles: Annotated[list[CycleDefinition], Field(min_length=1, max_length=MOST_CYCLES)]
    targets: Annotated[list[TargetDefinition], Field(min_length=1, max_length=MOST_TARGETS)]

    def to_group(self) -> TargetGroup | DeadLetter:
        """Return the target group, or a dead letter if its cycles or its targets do not fit together."""
        targets: dict[int, Target] = {}
        for target in self.targets:
            if target.target_id in targets:
                return schema("data.targets", f"two targets have the targetId {target.target_id}")
            targets[target.target_id] = target.to_target()
        try:
            calendar = Calendar.from_periods((cycle.period_name, cycle.start, cycle.end) for cycle in self.cycles)
        except InvalidCalendarError as error:
            return schema("data.cycles", str(error))
        return TargetGroup(
            group_id=self.target_group_id,
            name=self.name,
            version=self.version,
            active=self.active,
            time_zone=self.time_zone,
            calendar=calendar,
            targets=targets,
        )


def read_group(data: object) -> TargetGroup | DeadLetter:
    """Return the target group in the `data` of a `TargetGroupDefined`, or a dead letter."""
    try:
        return TargetGroupDefined.model_validate(data).to_group()
    except ValidationError as error:
        return from_validation_error(error, "data.")
