"""A downstream consumer: it derives the current state from the published events alone."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter

from support.topics import ConsumedRecord
from unenroll.wire.outbound import RewardCancelled, RewardReinstated, UnenrollRejected, UserUnenrolled

Data = dict[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class ReceivedEvents:
    """`rejected` by customer, source and id of the request, `left` by account, `rewards` by account and reward.

    The events of an account and of a reward are sorted by revision, with their type under `type`. `out_of_order` has
    the accounts and rewards whose events a partition had in another order.
    """

    rejected: Mapping[Key, list[str]]
    left: Mapping[Key, list[Data]]
    rewards: Mapping[Key, list[Data]]
    out_of_order: set[Key]
    ids: list[str]
    dead: list[str]


def receive(records: Iterable[ConsumedRecord]) -> ReceivedEvents:
    """Read the output topics as a consumer does."""
    rejected: dict[Key, list[str]] = defaultdict(list)
    left: dict[Key, list[Data]] = defaultdict(list)
    rewards: dict[Key, list[Data]] = defaultdict(list)
    ids: list[str] = []
    dead: list[str] = []
    for record in records:
        if record.header("dlq_reason") is not None:
            dead.append(f"{record.header('dlq_reason')}: {record.header('dlq_detail')}")
            continue
        ids.append(record.header("ce_id") or "")
        data = {"type": (record.header("ce_type") or "").split(".")[1], **record.data}
        account = (data["customerId"], data["targetId"])
        if "outcome" in data:
            rejected[data["customerId"], data["requestSource"], data["requestId"]].append(data["outcome"])
        elif "rewardId" in data:
            rewards[*account, data["rewardId"]].append(data)
        else:
            left[account].append(data)
    out_of_order = {key for groups in (left, rewards) for key, events in groups.items() if _sorted(events)}
    return ReceivedEvents(rejected=rejected, left=left, rewards=rewards, out_of_order=out_of_order, ids=ids, dead=dead)


def _sorted(events: list[Data]) -> bool:
    """Whether the events had to be sorted by revision."""
    out_of_order = any(one["revision"] > other["revision"] for one, other in pairwise(events))
    events.sort(key=lambda data: data["revision"])
    return out_of_order


def latest_state(events: list[Data]) -> tuple[str, str | None]:
    """A reward's state and action, by the event with the highest revision. Without events it is kept."""
    if not events or events[-1]["type"] == "RewardReinstated":
        return "KEPT", None
    return "CANCELLED", events[-1]["action"]


def in_force(events: list[Data]) -> dict[str, Data] | str:
    """An account's `UserUnenrolled` that none supersedes, by `unenrollmentId`; or a sentence on what is wrong."""
    current: dict[str, Data] = {}
    for number, data in enumerate(events, start=1):
        if data["revision"] != number:
            return f"revision {data['revision']} where {number} was due"
        if data["supersedes"] is not None and current.pop(data["supersedes"], None) is None:
            return f"revision {number} supersedes a leave that is not in force"
        current[data["unenrollmentId"]] = data
    return current


MODELS: Mapping[str, TypeAdapter[Any]] = MappingProxyType(
    {
        "UserUnenrolled": TypeAdapter(UserUnenrolled),
        "UnenrollRejected": TypeAdapter(UnenrollRejected),
        "RewardCancelled": TypeAdapter(RewardCancelled),
        "RewardReinstated": TypeAdapter(RewardReinstated),
    }
)
