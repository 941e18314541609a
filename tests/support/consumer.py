"""A consumer that knows nothing but what is published, and what it makes of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter

from support.topics import Seen
from unenroll.wire.outbound import RewardCancelled, RewardReinstated, UnenrollRejected, UserUnenrolled

Data = dict[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """`rejected` by customer, source and id of the request, `left` by account, `rewards` by account and reward.

    What is told of a reward has the event's type under `type`. Both are in the order of their revisions. `jumbled`
    has the accounts and rewards of which a partition did not tell in that order.
    """

    rejected: Mapping[Key, list[str]]
    left: Mapping[Key, list[Data]]
    rewards: Mapping[Key, list[Data]]
    jumbled: set[Key]
    ids: list[str]
    dead: list[str]


def heard(found: Iterable[Seen]) -> Heard:
    """What a consumer makes of the output topics."""
    rejected: dict[Key, list[str]] = defaultdict(list)
    left: dict[Key, list[Data]] = defaultdict(list)
    rewards: dict[Key, list[Data]] = defaultdict(list)
    ids: list[str] = []
    dead: list[str] = []
    for record in found:
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
    jumbled = {key for told in (left, rewards) for key, all_of_it in told.items() if _sorted(all_of_it)}
    return Heard(rejected=rejected, left=left, rewards=rewards, jumbled=jumbled, ids=ids, dead=dead)


def _sorted(told: list[Data]) -> bool:
    """Whether the events had to be sorted by revision."""
    jumbled = any(one["revision"] > other["revision"] for one, other in pairwise(told))
    told.sort(key=lambda data: data["revision"])
    return jumbled


def last_word(told: list[Data]) -> tuple[str, str | None]:
    """A reward's state and what is to be done about it, by the highest revision. Untold, it is kept."""
    if not told or told[-1]["type"] == "RewardReinstated":
        return "KEPT", None
    return "CANCELLED", told[-1]["action"]


def in_force(told: list[Data]) -> dict[str, Data] | str:
    """An account's `UserUnenrolled` that hold, by `unenrollmentId`; or what does not add up."""
    held: dict[str, Data] = {}
    for number, data in enumerate(told, start=1):
        if data["revision"] != number:
            return f"revision {data['revision']} where {number} was due"
        if data["supersedes"] is not None and held.pop(data["supersedes"], None) is None:
            return f"revision {number} supersedes a leave that is not in force"
        held[data["unenrollmentId"]] = data
    return held


MODELS: Mapping[str, TypeAdapter[Any]] = MappingProxyType(
    {
        "UserUnenrolled": TypeAdapter(UserUnenrolled),
        "UnenrollRejected": TypeAdapter(UnenrollRejected),
        "RewardCancelled": TypeAdapter(RewardCancelled),
        "RewardReinstated": TypeAdapter(RewardReinstated),
    }
)
