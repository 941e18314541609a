"""The notation of the examples: campaigns, enrollments, rewards and leaves, as the tables of rules.md write them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from pydantic_core import to_json

from unenroll.wire.fields import instant_text

LEAVE = "UnenrollRequested"


class ExampleResult(NamedTuple):
    """The standing of a reward or the outcome of a leave, and the events published for it in order, all as text."""

    result: str
    published: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleEvent:
    """An event of a customer, and the result that it should have. `data` lacks the customer and the target.

    `name` is unique among the customer's events: the `rewardId` of a reward, the `id` of any other event. `text` is the
    event in the notation of the tables.
    """

    type: str
    name: str
    time: datetime
    data: Mapping[str, object]
    text: str
    expected: ExampleResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A row of a table: the events of one customer, after the enrollment that all customers of the campaign have."""

    name: str
    customer_id: int
    events: tuple[ExampleEvent, ...]


def instant(text: str) -> datetime:
    """Parse a text like `15 Mar`, `15 Mar 00:01` or `28 Feb 23:59:59.999`: an instant of 2026 in UTC."""
    day, month, *clock = text.split()
    midnight = datetime.strptime(f"{day} {month} 2026 +0000", "%d %b %Y %z")
    return datetime.combine(midnight, time.fromisoformat(clock[0]), UTC) if clock else midnight


def reward(text: str, result: str, *published: str, level: int | None = None) -> ExampleEvent:
    """A reward from a text like `R3 c3 PERIOD_END 5 Mar`: its id, its cycle, its allocation, when it was achieved."""
    reward_id, cycle, allocation, achieved = text.split(maxsplit=3)
    achieved_at = instant(achieved)
    data = {"rewardId": reward_id, "periodName": cycle, "allocation": allocation, "level": level}
    return ExampleEvent(
        type="RewardEarned",
        name=reward_id,
        time=achieved_at,
        data={**data, "achievedAt": instant_text(achieved_at)},
        text=text,
        expected=ExampleResult(result, published),
    )


def leave(effective: str, result: str, *published: str) -> ExampleEvent:
    """A leave effective at an instant like `15 Mar`."""
    name = f"leave {effective}"
    return ExampleEvent(
        type=LEAVE, name=name, time=instant(effective), data={}, text=name, expected=ExampleResult(result, published)
    )


def enrolled(text: str, **more: object) -> ExampleEvent:
    """An enrollment from a text like `20 Mar from c4` or `15 Jan`, with more fields. No event is published for it."""
    when, _, cycle = text.partition(" from ")
    enrolled_at = instant(when)
    fields = [f"{name} {to_json(value).decode()}" for name, value in more.items()]
    return ExampleEvent(
        type="CustomerEnrolled",
        name=f"enrolled {when}",
        time=enrolled_at,
        data={"enrolledAt": instant_text(enrolled_at), "periodName": cycle or None, **more},
        text=", ".join([f"enrolled {text}", *fields]),
        expected=ExampleResult("", ()),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaign:
    """A target group with one target, and the enrollment that each of its customers begins with."""

    title: str
    group_id: int
    target: Mapping[str, object]
    cycles: tuple[tuple[str, datetime, datetime], ...]
    enrollment: ExampleEvent

    @property
    def account(self) -> Mapping[str, object]:
        """The fields of an event that name the target."""
        return {"targetGroupId": self.group_id, "targetId": self.target["targetId"]}

    @property
    def definition(self) -> Mapping[str, object]:
        """The `data` of the `TargetGroupDefined` event."""
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
    """A table of rules.md section 6: the examples of one campaign."""

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
