"""The two campaigns of the worked examples (rules.md section 6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from unenroll.demo.told import Example, Told, enrolled
from unenroll.wire.instants import instant_text


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaign:
    """A target group with one target, and how each of its customers is enrolled at first."""

    title: str
    group_id: int
    target: Mapping[str, object]
    cycles: tuple[tuple[str, datetime, datetime], ...]
    enrollment: Told

    @property
    def account(self) -> Mapping[str, object]:
        """The fields that say which target an event is about."""
        return {"targetGroupId": self.group_id, "targetId": self.target["targetId"]}

    @property
    def definition(self) -> Mapping[str, object]:
        """The `data` of its `TargetGroupDefined`."""
        return {
            "targetGroupId": self.group_id,
            "name": self.title,
            "version": 1,
            "active": True,
            "timeZone": "UTC",
            "cycles": [
                {"periodName": name, "start": instant_text(start), "end": instant_text(end)}
                for name, start, end in self.cycles
            ],
            "targets": [self.target],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """A table: the examples of one campaign."""

    campaign: Campaign
    examples: tuple[Example, ...]


_NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)

ABC = Campaign(
    title="Milestone ABC, cycles c1 to c5 = January to May 2026, enrolled 1 Jan from c1",
    group_id=11,
    target={"targetId": 21, "name": "ABC", "kind": "MILESTONE"},
    cycles=tuple(
        (f"c{number}", _NEW_YEAR.replace(month=number), _NEW_YEAR.replace(month=number + 1)) for number in range(1, 6)
    ),
    enrollment=enrolled("1 Jan from c1"),
)
XYZ = Campaign(
    title="Streak XYZ, 30 daily cycles d1 to d30 from 1 Jan 2026, levels 4, 8, 12, enrolled 1 Jan from d1",
    group_id=12,
    target={"targetId": 22, "name": "XYZ", "kind": "STREAK", "levels": [4, 8, 12]},
    cycles=tuple((f"d{number}", _NEW_YEAR + (number - 1) * _DAY, _NEW_YEAR + number * _DAY) for number in range(1, 31)),
    enrollment=enrolled("1 Jan from d1"),
)
