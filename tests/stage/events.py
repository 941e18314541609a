"""Events with memorable names, as they stand on topics and in files."""

import json
from datetime import UTC, datetime
from typing import Any

from stage.topics import Put

ABC = {
    "targetGroupId": 11,
    "name": "Spring campaign",
    "version": 1,
    "active": True,
    "timeZone": "UTC",
    "cycles": [
        {"periodName": f"c{month}", "start": f"2026-0{month}-01T00:00:00Z", "end": f"2026-0{month + 1}-01T00:00:00Z"}
        for month in range(1, 6)
    ],
    "targets": [{"targetId": 21, "name": "Milestone ABC", "kind": "MILESTONE"}],
}


def definition(data: dict[str, Any] = ABC) -> str:
    """A line for `load`."""
    return json.dumps({"type": "TargetGroupDefined", "id": f"g{data['targetGroupId']}", "data": data})


def enrolled(customer: int, at: str = "2026-01-01T00:00:00Z", *, event_id: str = "in", **more: Any) -> str:  # noqa: ANN401
    """A line for `load`: the customer takes part in milestone ABC."""
    data = {"customerId": customer, "targetGroupId": 11, "targetId": 21, "enrolledAt": at, **more}
    return json.dumps({"type": "CustomerEnrolled", "source": "/crm", "id": f"{event_id}-{customer}", "data": data})


def reward(customer: int, reward_id: str, cycle: str, *, allocation: str = "PERIOD_END", at: str) -> str:
    """A line for `load`: a reward of milestone ABC."""
    data = {
        "rewardId": reward_id,
        "customerId": customer,
        "targetGroupId": 11,
        "targetId": 21,
        "periodName": cycle,
        "allocation": allocation,
        "achievedAt": at,
        "value": {"amount": "250.50", "unit": "points"},
    }
    return json.dumps(
        {"type": "RewardEarned", "source": "/engine", "id": f"e-{reward_id}-{customer}", "time": at, "data": data}
    )


def three_rewards(customer: int) -> list[str]:
    """Lines for `load`: enrolled, and of three rewards a leave in March cancels one."""
    return [
        enrolled(customer),
        reward(customer, f"R1-{customer}", "c1", at="2026-01-10T00:00:00Z"),
        reward(customer, f"R2-{customer}", "c2", allocation="IMMEDIATE", at="2026-02-10T00:00:00Z"),
        reward(customer, f"R3-{customer}", "c3", at="2026-03-05T00:00:00Z"),
    ]


def leaves(
    customer: int,
    at: str = "2026-03-15T00:00:00Z",
    *,
    event_id: str | None = None,
    target: int = 21,
    **more: Any,  # noqa: ANN401
) -> Put:
    """A request on its topic: the customer wants to leave milestone ABC."""
    data = {"customerId": customer, "targetGroupId": 11, "targetId": target, **more}
    return Put(
        key=str(customer).encode(),
        value=json.dumps(data).encode(),
        headers=[
            ("ce_specversion", b"1.0"),
            ("ce_type", b"unenroll.UnenrollRequested.v1"),
            ("ce_source", b"/crm/app"),
            ("ce_id", (event_id or f"leave-{customer}").encode()),
            ("ce_time", at.encode()),
            ("content-type", b"application/json"),
        ],
    )


def utc(text: str) -> datetime:
    """An instant."""
    return datetime.fromisoformat(text).astimezone(UTC)
