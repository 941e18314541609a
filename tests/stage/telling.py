"""Facts and requests of milestone ABC and streak XYZ, written as one speaks, and what is published put into words."""

import json
from typing import Any

from stage.topics import Seen
from unenroll.core.events import EventId
from unenroll.wire.encode import event_uuid

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


def of(customer: int, told: list[dict[str, Any]]) -> list[str]:
    """The lines of this customer."""
    return [json.dumps({**one, "data": {"customerId": customer, **one["data"]}}) for one in told]


def sentence(record: Seen) -> str:
    """What is published, in words: of a leave its cut, of a reward its rule."""
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
    """The leave that the event says it supersedes, by the name it has here."""
    instants = ("15 03", "12 03", "05 02")
    return next(f"leave {at}" for at in instants if event_uuid(EventId(f"leave {at}", SOURCE)) == data["supersedes"])
