"""The content hash: tells whether two events with the same id have the same content (contract.md, "Events").

The content is the event type and its known fields as parsed, with defaults applied. The event's `time` is not part of
the hash, because loaded facts may have none. The ledger compares `time` separately.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec.msgpack

from unenroll.core import events
from unenroll.core.definitions import TargetGroup

CONTENT_VERSION = 1
"""Raise this number when the hashed content changes. Hashes of different versions cannot be compared."""

PLANNED_VERSION = 2
"""The version for requests of a plan. A release without plans hashed them as if they had no `expected`."""

Content = events.Event | events.SettlementDue | TargetGroup

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PACK = msgspec.msgpack.Encoder().encode


def content_hash(content: Content) -> bytes:
    """Return the SHA-256 (32 bytes) of the MessagePack array of version, event type and fields in a fixed order."""
    name, fields = _FIELDS[type(content)]
    return hashlib.sha256(_PACK((content_version(content), name, *fields(content)))).digest()


def content_version(content: Content) -> int:
    """Return the version of the content's hash."""
    planned = isinstance(content, events.UnenrollRequested) and content.expected is not None
    return PLANNED_VERSION if planned else CONTENT_VERSION


def _instant(instant: datetime | None) -> int | None:
    """Return microseconds since 1970."""
    return None if instant is None else (instant - _EPOCH) // _MICROSECOND


def _number(number: Decimal | None) -> str | None:
    """Return plain digits without trailing zeros, so that equal numbers have equal texts."""
    if number is None:
        return None
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) if number else "0"


def _requested(event: events.UnenrollRequested) -> tuple[object, ...]:
    fields = (
        event.customer_id,
        event.group_id,
        event.target_id,
        _instant(event.effective_at),
        event.reason,
        event.requested_by,
    )
    return fields if event.expected is None else (*fields, event.expected)


def _enrolled(event: events.CustomerEnrolled) -> tuple[object, ...]:
    return (
        event.customer_id,
        event.group_id,
        event.target_id,
        _instant(event.enrolled_at),
        event.period_name,
        _number(event.initial_balance),
        event.reset_streak_status,
        event.origin.value,
    )


def _earned(event: events.RewardEarned) -> tuple[object, ...]:
    return (
        event.reward_id,
        event.customer_id,
        event.group_id,
        event.target_id,
        event.period_name,
        event.allocation.value,
        _instant(event.achieved_at),
        event.level,
        _instant(event.issued_at),
        None if event.value is None else (_number(event.value.amount), event.value.unit),
    )


def _issued(event: events.RewardIssued) -> tuple[object, ...]:
    return event.reward_id, event.customer_id, event.target_id, _instant(event.issued_at)


def _due(event: events.SettlementDue) -> tuple[object, ...]:
    return event.customer_id, event.group_id, event.target_id, event.version


def _group(group: TargetGroup) -> tuple[object, ...]:
    cycles = [(cycle.name, _instant(cycle.start), _instant(cycle.end)) for cycle in group.calendar.cycles]
    targets = [
        (target.target_id, target.name, target.kind.value, target.active, target.enrollment.value, target.levels)
        for _, target in sorted(group.targets.items())
    ]
    return group.group_id, group.name, group.version, group.active, group.time_zone, cycles, targets


_FIELDS: dict[type, tuple[str, Callable[[Any], tuple[object, ...]]]] = {
    events.UnenrollRequested: ("UnenrollRequested", _requested),
    events.CustomerEnrolled: ("CustomerEnrolled", _enrolled),
    events.RewardEarned: ("RewardEarned", _earned),
    events.RewardIssued: ("RewardIssued", _issued),
    events.SettlementDue: ("SettlementDue", _due),
    TargetGroup: ("TargetGroupDefined", _group),
}
