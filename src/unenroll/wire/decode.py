"""Decodes a Kafka record into its event, or into a dead letter that says why it cannot be decoded."""

from datetime import datetime

from msgspec import Struct
from pydantic import ValidationError

from unenroll.core.definitions import TargetGroup
from unenroll.core.events import Event, EventId, SettlementDue
from unenroll.core.reasons import Reason
from unenroll.wire import inbound
from unenroll.wire.cloudevents import CloudEvent, no_time, read_cloudevent, traceparent
from unenroll.wire.content_hash import content_hash
from unenroll.wire.definitions import read_group
from unenroll.wire.encode import event_uuid
from unenroll.wire.fields import NO_OFFSET
from unenroll.wire.jsontext import parse
from unenroll.wire.reasons import DeadLetter, from_validation_error, schema
from unenroll.wire.topics import CARRIES, Record, Topic, event_name, full_type


class ReceivedEvent(Struct, frozen=True, kw_only=True, gc=False):
    """A decoded event.

    `event_key` is the UUIDv5 of its source and id. Two events with the same key are the same if they have the same
    `content_hash` and the same `time`; a `time` of None (a loaded fact) equals any time.
    """

    event: Event | SettlementDue
    event_type: str
    event_key: str
    content_hash: bytes
    time: datetime | None
    traceparent: bytes | None


class ReceivedGroup(Struct, frozen=True, kw_only=True, gc=False):
    """A decoded `TargetGroupDefined`."""

    key: EventId
    group: TargetGroup
    content_hash: bytes
    time: datetime


_Envelope = tuple[CloudEvent, str, datetime]
"""The CloudEvent, its event name and its time."""


def decode(record: Record, accepts: frozenset[str]) -> ReceivedEvent | DeadLetter:
    """Return the event in the record, or the dead letter that it becomes (contract.md, "Dead letter headers").

    `accepts` are the names of the events that belong on the record's topic, as in `CARRIES`. Never raises.
    """
    if record.unreadable is not None:
        return schema("headers", record.unreadable)
    envelope = _read_envelope(record, accepts)
    if isinstance(envelope, DeadLetter):
        return envelope
    cloudevent, name, time = envelope
    try:
        data = inbound.MODELS[name].model_validate(cloudevent.data)
    except ValidationError as error:
        return from_validation_error(error, "data.")
    key = cloudevent.key
    event = data.to_event(key, time) if isinstance(data, inbound.UnenrollRequested) else data.to_event(key)
    return ReceivedEvent(
        event=event,
        event_type=name,
        event_key=event_uuid(key),
        content_hash=content_hash(event),
        time=time,
        traceparent=traceparent(record.headers),
    )


def decode_group(record: Record) -> ReceivedGroup | DeadLetter:
    """Return the target group in a record of the topic `definitions`, or its dead letter. Never raises."""
    if record.unreadable is not None:
        return schema("headers", record.unreadable)
    envelope = _read_envelope(record, CARRIES[Topic.DEFINITIONS])
    if isinstance(envelope, DeadLetter):
        return envelope
    cloudevent, _, time = envelope
    group = read_group(cloudevent.data)
    if isinstance(group, DeadLetter):
        return group
    return ReceivedGroup(key=cloudevent.key, group=group, content_hash=content_hash(group), time=time)


def _read_envelope(record: Record, accepts: frozenset[str]) -> _Envelope | DeadLetter:
    """Return the valid envelope of the record. Its data is not validated yet."""
    document = parse(record.value)
    if isinstance(document, DeadLetter):
        return document
    cloudevent = read_cloudevent(record.headers, document)
    if isinstance(cloudevent, DeadLetter):
        return cloudevent
    name = event_name(cloudevent.type)
    if name is None or name not in accepts:
        return _unknown_type(cloudevent.type, accepts)
    if cloudevent.time is None:
        return no_time(record.headers, document)
    if cloudevent.time.tzinfo is None:
        return DeadLetter(reason=Reason.NAIVE_TIME, detail=f"time: {NO_OFFSET}")
    return cloudevent, name, cloudevent.time


def _unknown_type(found: str, accepts: frozenset[str]) -> DeadLetter:
    one_of = "one of " if len(accepts) > 1 else ""
    types = ", ".join(full_type(name) for name in sorted(accepts))
    return DeadLetter(reason=Reason.UNKNOWN_TYPE, detail=f"type: must be {one_of}{types} on this topic; found {found}")
