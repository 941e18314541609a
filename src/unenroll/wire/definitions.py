"""The `data` of `TargetGroupDefined`: a group, its cycles and its targets."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from unenroll.core.calendar import Calendar, InvalidCalendarError
from unenroll.core.definitions import EnrollmentMode, Target, TargetGroup, TargetKind
from unenroll.wire.fields import LARGEST_INT64, Fields, Instant, Int64, Name
from unenroll.wire.reasons import DeadLetter, of_model, schema

MOST_CYCLES = 10_000
MOST_TARGETS = 1_000
MOST_LEVELS = 1_000

_Level = Annotated[int, Field(ge=1, le=LARGEST_INT64)]
_Levels = Annotated[list[_Level], Field(max_length=MOST_LEVELS)]


class CycleDefined(Fields):
    """One cycle, half-open."""

    period_name: Name
    start: Instant
    end: Instant


class TargetDefined(Fields):
    """One target. A streak has levels, ascending; a milestone has none."""

    target_id: Int64
    name: Name
    kind: Annotated[TargetKind, Field(strict=False)]
    active: bool | None = None
    enrollment: Annotated[EnrollmentMode, Field(strict=False)] | None = None
    levels: _Levels | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        levels = self.levels or []
        if self.kind is TargetKind.MILESTONE and levels:
            raise PydanticCustomError("levels", "must have no levels: it is a MILESTONE")
        if self.kind is TargetKind.STREAK and not levels:
            raise PydanticCustomError("levels", "must have levels: it is a STREAK")
        if any(lower >= higher for lower, higher in pairwise(levels)):
            raise PydanticCustomError("levels", "must have levels that ascend, each once")
        return self

    def target(self) -> Target:
        """The target, defaults applied."""
        return Target(
            target_id=self.target_id,
            name=self.name,
            kind=self.kind,
            active=self.active is not False,
            enrollment=self.enrollment or EnrollmentMode.EXPLICIT,
            levels=tuple(self.levels or ()),
        )


class TargetGroupDefined(Fields):
    """A group at one version."""

    target_group_id: Int64
    name: Name
    version: Int64
    active: bool
    time_zone: Name
    cycles: Annotated[list[CycleDefined], Field(min_length=1, max_length=MOST_CYCLES)]
    targets: Annotated[list[TargetDefined], Field(min_length=1, max_length=MOST_TARGETS)]

    def group(self) -> TargetGroup | DeadLetter:
        """The group, or why its cycles or targets do not go together."""
        targets = {target.target_id: target.target() for target in self.targets}
        if len(targets) != len(self.targets):
            return schema("data.targets", "two targets share an id")
        try:
            calendar = Calendar.of((cycle.period_name, cycle.start, cycle.end) for cycle in self.cycles)
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
    """The group that this `data` defines, or why it does not define one."""
    try:
        return TargetGroupDefined.model_validate(data).group()
    except ValidationError as error:
        return of_model(error, "data.")
