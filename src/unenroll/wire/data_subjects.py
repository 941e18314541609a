"""Finds the customers that a record is about and the time of an event, also for records that cannot be decoded."""

from datetime import UTC, datetime

from unenroll.core import events
from unenroll.wire.cloudevents import CloudEvent, read_cloudevent
from unenroll.wire.fields import LARGEST_INT64, SMALLEST_INT64
from unenroll.wire.jsontext import parse
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Record

_MAX_KEY_BYTES = len(str(SMALLEST_INT64))
BEGINNING_OF_TIME = datetime.min.replace(tzinfo=UTC)


def customers_of(record: Record) -> frozenset[int]:
    """Return the customer in the record's key and the customer in its data, as far as they can be read."""
    customers = (_customer_in_key(record.key), _customer_in_value(record.value))
    return frozenset(customer for customer in customers if customer is not None)


def claimed_time(record: Record) -> datetime | None:
    """Return the event's `time`; None if the envelope cannot be read or its time has no offset."""
    document = parse(record.value)
    envelope = read_cloudevent(record.headers, None if isinstance(document, DeadLetter) else document)
    time = envelope.time if isinstance(envelope, CloudEvent) else None
    return time if time is not None and time.tzinfo is not None else None


def happened_at(event: events.Event | events.SettlementDue, time: datetime | None) -> datetime:
    """Return when an event with this `time` happened: the earlier one of `time` and, for a fact, the fact's instant.

    Without any of them, return the earliest instant that there is.
    """
    return min((instant for instant in (time, _fact_instant(event)) if instant is not None), default=BEGINNING_OF_TIME)


def _fact_instant(event: events.Event | events.SettlementDue) -> datetime | None:
    if isinstance(event, events.CustomerEnrolled):
        return event.enrolled_at
    if isinstance(event, events.RewardEarned):
        return event.achieved_at
    return event.issued_at if isinstance(event, events.RewardIssued) else None


def _customer_in_key(key: bytes | None) -> int | None:
    """Return the key as a number if it is written as Unenroll writes keys: in decimal, without leading zeros."""
    if key is None or len(key) > _MAX_KEY_BYTES or not key.removeprefix(b"-").isdigit():
        return None
    number = int(key)
    return number if key == b"%d" % number and SMALLEST_INT64 <= number <= LARGEST_INT64 else None


def _customer_in_value(value: bytes | None) -> int | None:
    if value is None or b"customerId" not in value:
        return None
    document = parse(value)
    data = document.get("data", document) if isinstance(document, dict) else None
    customer = data.get("customerId") if isinstance(data, dict) else None
    if not isinstance(customer, int) or isinstance(customer, bool):
        return None
    return customer if SMALLEST_INT64 <= customer <= LARGEST_INT64 else None
