"""Whom a record is about and when it happened, as far as that can be made out: also of one that cannot be taken."""

from datetime import UTC, datetime

from unenroll.core import events
from unenroll.core.events import SettlementDue
from unenroll.wire.cloudevents import CloudEvent, read_cloudevent
from unenroll.wire.decode import Received
from unenroll.wire.fields import LARGEST_INT64, SMALLEST_INT64
from unenroll.wire.jsontext import parse
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Record

_LONGEST_NUMBER = len(str(SMALLEST_INT64))
_NEVER = datetime.min.replace(tzinfo=UTC)


def customers_of(record: Record) -> frozenset[int]:
    """The customer that the record is keyed by, and the one that it names wherever it can be read."""
    return frozenset(found for found in (_number(record.key), _named(record.value)) if found is not None)


def claimed_time(record: Record) -> datetime | None:
    """The event's `time`, if the envelope can be read and says when."""
    document = parse(record.value)
    envelope = read_cloudevent(record.headers, None if isinstance(document, DeadLetter) else document)
    time = envelope.time if isinstance(envelope, CloudEvent) else None
    return time if time is not None and time.tzinfo is not None else None


def happened_at(event: events.Event | SettlementDue, time: datetime | None) -> datetime:
    """The earliest instant that an event with this `time` tells of: of a request its time, of a fact also the fact's.

    What tells of none happened before everything.
    """
    told = [one for one in (time, _about(event)) if one is not None]
    return min(told, default=_NEVER)


def received_happened(received: Received) -> datetime:
    """The same, of an event as read."""
    return happened_at(received.event, received.time)


def _about(event: events.Event | SettlementDue) -> datetime | None:
    if isinstance(event, events.CustomerEnrolled):
        return event.enrolled_at
    if isinstance(event, events.RewardEarned):
        return event.achieved_at
    return event.issued_at if isinstance(event, events.RewardIssued) else None


def _number(key: bytes | None) -> int | None:
    """The number that a key is, written as ours are."""
    if key is None or len(key) > _LONGEST_NUMBER or not key.removeprefix(b"-").isdigit():
        return None
    number = int(key)
    return number if key == b"%d" % number and SMALLEST_INT64 <= number <= LARGEST_INT64 else None


def _named(value: bytes | None) -> int | None:
    if value is None or b"customerId" not in value:
        return None
    document = parse(value)
    inner = document.get("data", document) if isinstance(document, dict) else None
    found = inner.get("customerId") if isinstance(inner, dict) else None
    is_id = isinstance(found, int) and not isinstance(found, bool) and SMALLEST_INT64 <= found <= LARGEST_INT64
    return found if is_id else None
