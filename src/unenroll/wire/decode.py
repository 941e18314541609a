"""A record to the event that it carries, or to the reason why it cannot be read."""

from datetime import datetime

from msgspec import Struct
from pydantic import ValidationError

from unenroll.core.definitions import TargetGroup
from unenroll.core.events import Event, EventId, SettlementDue
from unenroll.wire import inbound
from unenroll.wire.cloudevents import CloudEvent, read_cloudevent, traceparent
from unenroll.wire.content_hash import content_hash
from unenroll.wire.definitions import read_group
from unenroll.wire.encode import event_uuid
from unenroll.wire.jsontext import parse
from unenroll.wire.reasons import DeadLetter, Reason, of_model, schema
from unenroll.wire.topics import CARRIES, Record, Topic, event_name


class Received(Struct, frozen=True, kw_only=True, gc=False):
    """An event as read. `content_hash` and `time` tell whether another of its key is the same; None: any time is.

    `event_key` is the UUIDv5 of its source and id.
    """

    event: Event | SettlementDue
    event_type: str
    event_key: str
    content_hash: bytes
    time: datetime | None
    traceparent: bytes | None


class ReceivedGroup(Struct, frozen=True, kw_only=True, gc=False):
    """A definition as read."""

    key: EventId
    group: TargetGroup
    content_hash: bytes
    time: datetime


_Opened = tuple[CloudEvent, str, datetime]


def decode(record: Record, accepts: frozenset[str]) -> Received | DeadLetter:
    """The event that the record carries, or why it cannot be read (contract.md, "Dead letter headers").

    `accepts` are the names of the events that belong on the record's topic, as in `CARRIES`. Never raises.
    """
    if record.unreadable is not None:
        return schema("headers", record.unreadable)
    opened = _open(record, accepts)
    if isinstance(opened, DeadLetter):
        return opened
    envelope, name, time = opened
    try:
        data = inbound.MODELS[name].model_validate(envelope.data)
    except ValidationError as error:
        return of_model(error, "data.")
    event = data.event(envelope.key, time) if isinstance(data, inbound.UnenrollRequested) else data.event(envelope.key)
    return Received(
        event=event,
        event_type=name,
        event_key=event_uuid(event.key),
        content_hash=content_hash(event),
        time=time,
        traceparent=traceparent(record.headers),
    )


def decode_group(record: Record) -> ReceivedGroup | DeadLetter:
    """The definition that a record of topic `definitions` carries, or why it cannot be read. Never raises."""
    if record.unreadable is not None:
        return schema("headers", record.unreadable)
    opened = _open(record, CARRIES[Topic.DEFINITIONS])
    if isinstance(opened, DeadLetter):
        return opened
    envelope, _, time = opened
    group = read_group(envelope.data)
    if isinstance(group, DeadLetter):
        return group
    return ReceivedGroup(key=envelope.key, group=group, content_hash=content_hash(group), time=time)


def _open(record: Record, accepts: frozenset[str]) -> _Opened | DeadLetter:
    """An envelope that is in order, whose data is not looked at yet, with its event's name and its time."""
    document = parse(record.value)
    if isinstance(document, DeadLetter):
        return document
    envelope = read_cloudevent(record.headers, document)
    if isinstance(envelope, DeadLetter):
        return envelope
    name = event_name(envelope.type)
    if name is None or name not in accepts:
        takes = ", ".join(sorted(accepts))
        return DeadLetter(reason=Reason.UNKNOWN_TYPE, detail=f"type: must be one that this topic takes: {takes}")
    if envelope.time is None:
        return DeadLetter(reason=Reason.NO_TIME, detail="time: is required")
    if envelope.time.tzinfo is None:
        return DeadLetter(reason=Reason.NAIVE_TIME, detail="time: must carry an offset, like 2026-03-15T09:30:00+05:30")
    return envelope, name, envelope.time
