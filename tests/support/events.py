"""Events with memorable names, as records for topics and as lines for files."""

import json
from datetime import UTC, datetime
from typing import Any

from support.topics import ConsumedRecord, NewRecord
from unenroll.core.events import EventId
from unenroll.wire.encode import event_uuid

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


def enrollment_line(customer: int, at: str = "2026-01-01T00:00:00Z", *, event_id: str = "in", **more: Any) -> str:  # noqa: ANN401
    """A line for `load`: the customer takes part in milestone ABC."""
    data = {"customerId": customer, "targetGroupId": 11, "targetId": 21, "enrolledAt": at, **more}
    return json.dumps({"type": "CustomerEnrolled", "source": "/crm", "id": f"{event_id}-{customer}", "data": data})


def reward_line(customer: int, reward_id: str, cycle: str, *, allocation: str = "PERIOD_END", at: str) -> str:
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
        enrollment_line(customer),
        reward_line(customer, f"R1-{customer}", "c1", at="2026-01-10T00:00:00Z"),
        reward_line(customer, f"R2-{customer}", "c2", allocation="IMMEDIATE", at="2026-02-10T00:00:00Z"),
        reward_line(customer, f"R3-{customer}", "c3", at="2026-03-05T00:00:00Z"),
    ]


def leave_record(
    customer: int,
    at: str = "2026-03-15T00:00:00Z",
    *,
    event_id: str | None = None,
    target: int = 21,
    **more: Any,  # noqa: ANN401
) -> NewRecord:
    """A request on its topic: the customer wants to leave milestone ABC."""
    data = {"customerId": customer, "targetGroupId": 11, "targetId": target, **more}
    return NewRecord(
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


SOURCE = "/crm"


def line(name: str, event_id: str, at: str, *, target: int = 21, **data: Any) -> dict[str, Any]:  # noqa: ANN401
    """An event as a line for `publish`, but for its customer."""
    own = {"targetId": target, **({} if name == "RewardIssued" else {"targetGroupId": target - 10}), **data}
    return {"type": name, "source": SOURCE, "id": event_id, "time": day(at), "data": own}


def day(at: str) -> str:
    """`15 03` or `15 03 00:01` as an instant."""
    number, month, *clock = at.split()
    return f"2026-{month}-{number}T{(clock or ['00:00'])[0]}:00Z"


def enrollment_data(at: str, *, name: str = "in", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return line("CustomerEnrolled", f"{name} {at}", at, enrolledAt=day(at), **more)


def leave(at: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return line("UnenrollRequested", f"leave {at}", "31 12", effectiveAt=day(at), **more)


def immediate(reward_id: str, cycle: str, at: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    what = {"rewardId": reward_id, "periodName": cycle, "allocation": "IMMEDIATE", "achievedAt": day(at), **more}
    return line("RewardEarned", f"{reward_id} earned", at, **what)


def period_end(reward_id: str, cycle: str, at: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return immediate(reward_id, cycle, at, **{"allocation": "PERIOD_END", **more})


def issued(reward_id: str, at: str, *, name: str = "issued") -> dict[str, Any]:
    return line("RewardIssued", f"{reward_id} {name} {at}", at, rewardId=reward_id, issuedAt=day(at))


def level(reward_id: str, number: int, cycle: str, at: str) -> dict[str, Any]:
    return immediate(reward_id, cycle, at, target=22, level=number)


ENROLLED = enrollment_data("01 01", periodName="c1")


def lines_of_customer(customer: int, events: list[dict[str, Any]]) -> list[str]:
    """The lines of this customer."""
    return [json.dumps({**one, "data": {"customerId": customer, **one["data"]}}) for one in events]


def sentence(record: ConsumedRecord) -> str:
    """A published event in short: the dropped cycles of a leave, the rule of a reward."""
    kind = (record.header("ce_type") or str(record.header("dlq_reason"))).removeprefix("unenroll.").removesuffix(".v1")
    data = record.data
    if kind == "UnenrollRejected":
        return f"{kind} {data['requestId']}: {data['outcome']}"
    if kind == "UserUnenrolled":
        dropped = data["droppedPeriods"]
        end = f"{kind} #{data['revision']} {data['requestId']}: {dropped['first']}-{dropped['last']}"
        return end if data["supersedes"] is None else f"{end}, supersedes {superseded(data)}"
    action = f" {data['action']}" if "action" in data else ""
    return f"{kind} {data['rewardId']} #{data['revision']} {data['requestId']}: {data['rule']}{action}"


def superseded(data: dict[str, Any]) -> str:
    """The name of the leave that the event supersedes."""
    instants = ("15 03", "12 03", "05 02")
    return next(f"leave {at}" for at in instants if event_uuid(EventId(f"leave {at}", SOURCE)) == data["supersedes"])
