"""Reads lines of NDJSON files: into messages for `unenroll publish`, into facts and groups for `unenroll load`."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from unenroll.core.definitions import TargetGroup
from unenroll.core.events import CustomerEnrolled, EventId, RewardEarned, RewardIssued
from unenroll.core.reasons import Reason
from unenroll.wire import inbound
from unenroll.wire.cloudevents import binary_headers
from unenroll.wire.content_hash import content_hash
from unenroll.wire.decode import ReceivedGroup, decode, decode_group
from unenroll.wire.definitions import read_group
from unenroll.wire.fields import Identifier, Instant
from unenroll.wire.jsontext import member_text, parse
from unenroll.wire.reasons import DeadLetter, from_validation_error, schema
from unenroll.wire.topics import CARRIES, TOPIC_OF, Message, Record, Topic, full_type

LOAD_SOURCE = "unenroll:load"

_DEFINITION = "TargetGroupDefined"
_FACTS: dict[str, type[inbound.Fact]] = {
    model.__name__: model for model in (inbound.CustomerEnrolled, inbound.RewardEarned, inbound.RewardIssued)
}
_LOADABLE = frozenset({_DEFINITION, *_FACTS})
_PUBLISHABLE = frozenset({"UnenrollRequested", *_LOADABLE})


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedFact:
    """A fact from a line. If `time` is None, only the content decides whether an event with the same id is the same."""

    event: CustomerEnrolled | RewardEarned | RewardIssued
    event_type: str
    content_hash: bytes
    time: datetime | None


class _Line(BaseModel):
    """The fields of a line besides `data`. `type` is an event name."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, frozen=True, extra="ignore")

    type: str
    source: Identifier | None = None
    id: Identifier
    time: Instant | None = None


class _EventLine(_Line):
    """The fields of a line to publish: `source` and `time` are required."""

    source: Identifier
    time: Instant


_L = TypeVar("_L", bound=_Line)


def load_line(line: bytes) -> LoadedFact | TargetGroup | DeadLetter:
    """Return the fact or the target group in the line, or a dead letter that says what is wrong. Never raises."""
    document = parse(line)
    if isinstance(document, DeadLetter):
        return document
    envelope = _read_line(_Line, document, _LOADABLE)
    if isinstance(envelope, DeadLetter):
        return envelope
    data = document.get("data") if isinstance(document, dict) else None
    return read_group(data) if envelope.type == _DEFINITION else _loaded_fact(envelope, data)


def publish_line(line: bytes) -> Message | DeadLetter:
    """Return the message for the line, a CloudEvent in binary mode, or a dead letter. Never raises.

    The message's value is the text of the line's `data`, unchanged.
    """
    document = parse(line)
    if isinstance(document, DeadLetter):
        return document
    envelope = _read_line(_EventLine, document, _PUBLISHABLE)
    if isinstance(envelope, DeadLetter):
        return envelope
    data = member_text(line.decode("utf-8"), "data")
    if data is None:
        return schema("data", "is missing")
    return _message(
        Record(
            topic=TOPIC_OF[envelope.type].value,
            partition=0,
            offset=0,
            key=None,
            value=data.encode(),
            headers=binary_headers(full_type(envelope.type), envelope.id, source=envelope.source, time=envelope.time),
        )
    )


def _read_line(model: type[_L], document: object, types: frozenset[str]) -> _L | DeadLetter:
    if not isinstance(document, dict):
        return schema("line", "must be an object")
    try:
        line = model.model_validate(document)
    except ValidationError as error:
        return from_validation_error(error, "")
    if line.type in types:
        return line
    return DeadLetter(
        reason=Reason.UNKNOWN_TYPE, detail=f"type: must be one of {', '.join(sorted(types))}; found {line.type}"
    )


def _loaded_fact(line: _Line, data: object) -> LoadedFact | DeadLetter:
    try:
        event = _FACTS[line.type].model_validate(data).to_event(EventId(line.id, line.source or LOAD_SOURCE))
    except ValidationError as error:
        return from_validation_error(error, "data.")
    return LoadedFact(event=event, event_type=line.type, content_hash=content_hash(event), time=line.time)


def _message(record: Record) -> Message | DeadLetter:
    """Return the message with its key, or a dead letter if the worker would refuse the record."""
    topic = Topic(record.topic)
    received = decode_group(record) if topic is Topic.DEFINITIONS else decode(record, CARRIES[topic])
    if isinstance(received, DeadLetter):
        return received
    key = received.group.group_id if isinstance(received, ReceivedGroup) else received.event.customer_id
    return Message(topic=record.topic, key=b"%d" % key, value=record.value, headers=record.headers)
