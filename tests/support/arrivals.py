"""Orders in which a workload's events arrive: shuffled, repeated, on both topics, while target groups grow."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from random import Random
from typing import Any

from support.account_histories import tick
from support.group_growth import PARTS, Growth, plan_growth
from support.topics import NewRecord
from support.workload import Workload
from unenroll.core.definitions import TargetGroup
from unenroll.core.events import CustomerEnrolled, Event, RewardEarned, RewardIssued, UnenrollRequested
from unenroll.postgres.definitions import dump_group

PARTITIONS = 4
_LONG_AFTER = tick(10**9).isoformat()

Delivery = tuple[Event, bool]


class ArrivalOrder(Enum):
    """In which order things arrive, and whether one customer's meet on one partition, as they should."""

    BY_TIME = "by time"
    BACKWARDS = "backwards"
    SHUFFLED = "shuffled"
    SCATTERED = "shuffled and scattered over the partitions"

    @property
    def keyed(self) -> bool:
        """Whether a customer's events are decided in one lane."""
        return self is not ArrivalOrder.SCATTERED


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One order of arrival. `batch_records`: how many the worker takes at a time.

    `parts` are the records of each topic, to be published once those of the part before are decided. `versions` has
    for each part the sum of the versions that the groups have behind it.
    """

    number: int
    way: ArrivalOrder
    batch_records: int
    parts: Sequence[Mapping[str, list[NewRecord]]]
    versions: Sequence[int]


def arrival(workload: Workload, number: int) -> Arrival:
    """The order of arrival of this number: always the same one of the same workload."""
    rng = Random(f"{workload.seed} {number}")  # noqa: S311 - no secret
    way = _way(number)
    batch_records = rng.choice([7, 20, 60, 200] if way.keyed else [7, 20])  # small ones meet at an account more often
    growing = plan_growth(workload, rng)
    spread = growing.spread(_told(workload, way, rng), rng)
    return Arrival(
        number=number,
        way=way,
        batch_records=batch_records,
        parts=[_records(deliveries, growing, part, way=way, rng=rng) for part, deliveries in enumerate(spread)],
        versions=[growing.versions(part) for part in range(PARTS)],
    )


def _records(
    deliveries: Iterable[Delivery], growing: Growth, part: int, *, way: ArrivalOrder, rng: Random
) -> dict[str, list[NewRecord]]:
    """What the part brings. Definitions come first: an event may name only what was on the topic before it."""
    records: dict[str, list[NewRecord]] = {"facts": [], "requests": []}
    for event, again in deliveries:
        put = _again(event) if again else record_of(event)
        if not way.keyed:
            put = NewRecord(**{**vars(put), "partition": rng.randrange(PARTITIONS)})
        records["requests" if isinstance(event, UnenrollRequested) else "facts"].append(put)
    definitions = {"definitions": [_definition(group) for group in growing.definitions(part)]}
    return {**definitions, **records}


def all_records(coming: Arrival) -> dict[str, list[NewRecord]]:
    """What comes on each of the two topics, in its order."""
    return {word: [put for part in coming.parts for put in part[word]] for word in ("facts", "requests")}


def _way(number: int) -> ArrivalOrder:
    if number < 2:
        return (ArrivalOrder.BY_TIME, ArrivalOrder.BACKWARDS)[number]
    return ArrivalOrder.SCATTERED if number % 4 == 3 else ArrivalOrder.SHUFFLED


def _told(workload: Workload, way: ArrivalOrder, rng: Random) -> list[Delivery]:
    """Each event, and every fifth of them twice."""
    deliveries = [(event, False) for event in workload.events()]
    deliveries += [(event, True) for event, _ in deliveries if not rng.randrange(5)]
    rng.shuffle(deliveries)
    if way in {ArrivalOrder.BY_TIME, ArrivalOrder.BACKWARDS}:
        deliveries.sort(key=lambda one: _happened(one[0]), reverse=way is ArrivalOrder.BACKWARDS)
    return deliveries


def _happened(event: Event) -> datetime:
    match event:
        case UnenrollRequested():
            return event.effective_at
        case CustomerEnrolled():
            return event.enrolled_at
        case RewardEarned():
            return event.achieved_at
        case RewardIssued():
            return event.issued_at


def _definition(group: TargetGroup) -> NewRecord:
    attributes = {"specversion": "1.0", "type": "unenroll.TargetGroupDefined.v1", "source": "/s", "time": _LONG_AFTER}
    headers = {**attributes, "id": f"{group.group_id} v{group.version}"}
    return NewRecord(
        key=str(group.group_id).encode(),
        value=dump_group(group).encode(),
        headers=[(f"ce_{name}", text.encode()) for name, text in headers.items()],
    )


def record_of(event: Event) -> NewRecord:
    """The event in binary mode."""
    attributes = {f"ce_{name}": text.encode() for name, text in _attributes(event).items()}
    return NewRecord(
        key=str(event.customer_id).encode(),
        value=json.dumps(_data(event)).encode(),
        headers=[*attributes.items(), ("content-type", b"application/json")],
    )


def line_of(event: Event) -> str:
    """The same as a line for `load` or `publish`."""
    attributes = _attributes(event)
    around = {name: attributes[name] for name in ("source", "id", "time")}
    return json.dumps({"type": type(event).__name__, **around, "data": _data(event)})


def _again(event: Event) -> NewRecord:
    """The same event as another system would send it: in structured mode, with a field that we do not know."""
    document = {**_attributes(event), "data": {"note": "told again", **_data(event)}}
    return NewRecord(
        key=str(event.customer_id).encode(),
        value=json.dumps(document, indent=1).encode(),
        headers=[("content-type", b"application/cloudevents+json; charset=utf-8")],
    )


def _attributes(event: Event) -> dict[str, str]:
    time = event.time.isoformat() if isinstance(event, UnenrollRequested) else _LONG_AFTER
    return {
        "specversion": "1.0",
        "type": f"unenroll.{type(event).__name__}.v1",
        "source": event.key.source,
        "id": event.key.id,
        "time": time,
    }


def _data(event: Event) -> dict[str, Any]:
    return {"customerId": event.customer_id, "targetId": event.target_id, **_rest(event)}


def _rest(event: Event) -> dict[str, Any]:
    match event:
        case UnenrollRequested():
            at_once = event.effective_at == event.time
            return {"targetGroupId": event.group_id, **({} if at_once else {"effectiveAt": _text(event.effective_at)})}
        case CustomerEnrolled():
            return {
                "targetGroupId": event.group_id,
                "enrolledAt": _text(event.enrolled_at),
                "periodName": event.period_name,
                "initialBalance": None if event.initial_balance is None else int(event.initial_balance),
                "resetStreakStatus": event.reset_streak_status,
                "origin": event.origin.value,
            }
        case RewardEarned():
            return {
                "targetGroupId": event.group_id,
                "rewardId": event.reward_id,
                "periodName": event.period_name,
                "allocation": event.allocation.value,
                "achievedAt": _text(event.achieved_at),
                "level": event.level,
                "issuedAt": _text(event.issued_at),
            }
        case RewardIssued():
            return {"rewardId": event.reward_id, "issuedAt": _text(event.issued_at)}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
