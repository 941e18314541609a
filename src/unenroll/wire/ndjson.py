"""Lines of NDJSON files: for `publish` to the message that they stand for, for `load` to the records that they tell."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from unenroll.core.definitions import TargetGroup
from unenroll.core.events import CustomerEnrolled, EventId, RewardEarned, RewardIssued
from unenroll.wire import inbound
from unenroll.wire.cloudevents import binary_headers
from unenroll.wire.content_hash import content_hash
from unenroll.wire.decode import ReceivedGroup, decode, decode_group
from unenroll.wire.definitions import read_group
from unenroll.wire.fields import Identifier, Instant
from unenroll.wire.jsontext import member, parse
from unenroll.wire.reasons import DeadLetter, Reason, of_model, schema
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
    """A fact as a line tells it. `time` None: not to be compared with that of another event of the same key."""

    event: CustomerEnrolled | RewardEarned | RewardIssued
    event_type: str
    content_hash: bytes
    time: datetime | None


class _Line(BaseModel):
    """What stands around the `data` of a line. `type` is an event's name."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, frozen=True, extra="ignore")

    type: str
    source: Identifier | None = None
    id: Identifier
    time: Instant | None = None


class _EventLine(_Line):
    """The same of an event that is to be published."""

    source: Identifier
    time: Instant


_L = TypeVar("_L", bound=_Line)


def load_line(line: bytes) -> LoadedFact | TargetGroup | DeadLetter:
    """The fact or the group that the line tells, or why it tells none. Never raises."""
    document = parse(line)
    if isinstance(document, DeadLetter):
        return document
    opened = _opened(_Line, document, _LOADABLE)
    if isinstance(opened, DeadLetter):
        return opened
    data = document.get("data") if isinstance(document, dict) else None
    return read_group(data) if opened.type == _DEFINITION else _fact(opened, data)


def publish_line(line: bytes) -> Message | DeadLetter:
    """The message, a CloudEvent in binary mode, that the line stands for, or why it would be refused. Never raises.

    Its value is the text of the line's `data`, as it stands there.
    """
    document = parse(line)
    if isinstance(document, DeadLetter):
        return document
    opened = _opened(_EventLine, document, _PUBLISHABLE)
    if isinstance(opened, DeadLetter):
        return opened
    data = member(line.decode("utf-8"), "data")
    if data is None:
        return schema("data", "is required")
    return _checked(
        Record(
            topic=TOPIC_OF[opened.type].value,
            partition=0,
            offset=0,
            key=None,
            value=data.encode(),
            headers=binary_headers(full_type(opened.type), opened.id, source=opened.source, time=opened.time),
        )
    )


def _opened(model: type[_L], document: object, types: frozenset[str]) -> _L | DeadLetter:
    if not isinstance(document, dict):
        return schema("line", "must be an object")
    try:
        line = model.model_validate(document)
    except ValidationError as error:
        return of_model(error, "")
    if line.type in types:
        return line
    return DeadLetter(reason=Reason.UNKNOWN_TYPE, detail=f"type: must be one of {', '.join(sorted(types))}")


def _fact(line: _Line, data: object) -> LoadedFact | DeadLetter:
    try:
        event = _FACTS[line.type].model_validate(data).event(EventId(line.id, line.source or LOAD_SOURCE))
    except ValidationError as error:
        return of_model(error, "data.")
    return LoadedFact(event=event, event_type=line.type, content_hash=content_hash(event), time=line.time)


def _checked(record: Record) -> Message | DeadLetter:
    """The message of the record, keyed by what it carries, once the worker would take it."""
    topic = Topic(record.topic)
    received = decode_group(record) if topic is Topic.DEFINITIONS else decode(record, CARRIES[topic])
    if isinstance(received, DeadLetter):
        return received
    key = received.group.group_id if isinstance(received, ReceivedGroup) else received.event.customer_id
    return Message(topic=record.topic, key=b"%d" % key, value=record.value, headers=record.headers)
