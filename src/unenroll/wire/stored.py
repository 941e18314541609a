"""A definition as the database keeps it: the `data` of its event, in full."""

from pydantic_core import from_json

from unenroll.core.definitions import Group
from unenroll.wire.definition import CycleDefined, TargetDefined, TargetGroupDefined


def dump_group(group: Group) -> str:
    """The definition as JSON text that `load_group` reads."""
    return TargetGroupDefined.model_construct(
        target_group_id=group.group_id,
        name=group.name,
        version=group.version,
        active=group.active,
        time_zone=group.time_zone,
        cycles=[
            CycleDefined.model_construct(period_name=cycle.name, start=cycle.start, end=cycle.end)
            for cycle in group.calendar.cycles
        ],
        targets=[
            TargetDefined.model_construct(
                target_id=target.target_id,
                name=target.name,
                kind=target.kind,
                active=target.active,
                enrollment=target.enrollment,
                levels=list(target.levels),
            )
            for target in group.targets.values()
        ],
    ).model_dump_json(by_alias=True)


def load_group(text: str) -> Group:
    """The definition in a text of `dump_group`. Raises ValueError for any other text."""
    group = TargetGroupDefined.model_validate(from_json(text)).group()
    if isinstance(group, Group):
        return group
    raise ValueError(group.detail)
