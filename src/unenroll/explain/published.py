"""What was published of an account, and when that was decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json

from unenroll.core.facts import Account
from unenroll.explain.stays import LeaveTold, leave_told
from unenroll.store.history import Sent
from unenroll.wire.identity import event_uuid
from unenroll.wire.names import event_name
from unenroll.wire.outbound import PeriodSpan
from unenroll.wire.record import Message


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedTold:
    """One of our events: of the leave that it names, and of the reward with this id, or else of no reward.

    `decided_at` is the event's `time`: the lane publishes right behind it, or after an outage. `id` is its `ce_id`.
    """

    decided_at: datetime
    event: str
    id: str
    leave: LeaveTold
    reward_id: str | None
    outcome: str | None
    code: int | None
    dropped: PeriodSpan | None
    supersedes: LeaveTold | None
    action: str | None
    rule: str | None
    revision: int | None


def published_told(sent: Sequence[Sent], account: Account, *, reward_id: str | None) -> tuple[PublishedTold, ...]:
    """What was sent of the account, in that order: the answers to its leaves, and of one reward or of all."""
    leaves = {event_uuid(leave.key): leave_told(leave) for leave in account.leaves}
    read = ((one.decided_at, *_read(one.message)) for one in sent)
    return tuple(
        _told(decided_at, headers, data, leaves=leaves)
        for decided_at, headers, data in read
        if data.get("targetId") == account.target_id
        if reward_id is None or data.get("rewardId") in {None, reward_id}
    )


def _read(message: Message) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    headers = {name: value.decode() for name, value in message.headers if value is not None}
    return headers, from_json(message.value or b"{}")


def _event(headers: Mapping[str, str]) -> str:
    return event_name(headers["ce_type"]) or headers["ce_type"]


def _told(
    decided_at: datetime, headers: Mapping[str, str], data: Mapping[str, Any], *, leaves: Mapping[str, LeaveTold]
) -> PublishedTold:
    return PublishedTold(
        decided_at=decided_at,
        event=_event(headers),
        id=headers["ce_id"],
        leave=LeaveTold(
            id=data["requestId"], source=data["requestSource"], at=datetime.fromisoformat(data["effectiveAt"])
        ),
        reward_id=data.get("rewardId"),
        outcome=data.get("outcome"),
        code=data.get("code"),
        dropped=data.get("droppedPeriods"),
        supersedes=leaves.get(data.get("supersedes") or ""),
        action=data.get("action"),
        rule=data.get("rule"),
        revision=data.get("revision"),
    )
