"""A stored request, and the event that is built from it: always the same bytes."""

from urllib.parse import quote
from uuid import uuid4

import msgspec.json

from unenroll.core.events import EventId
from unenroll.store.front_door import KeptRequest, Sought
from unenroll.wire.concerned import received_happened
from unenroll.wire.dead_letters import content_digest
from unenroll.wire.decode import Received, decode
from unenroll.wire.envelope import TRACEPARENT
from unenroll.wire.identity import named_uuid
from unenroll.wire.instants import instant_text
from unenroll.wire.lines import publish_line
from unenroll.wire.names import CARRIES, Topic
from unenroll.wire.record import Message, Record
from unenroll.wire.refusals import DeadLetter

_SOURCE = "/front-door"
_JSON = msgspec.json.Encoder(decimal_format="number").encode


def new_request_id(caller: str, key: str | None) -> str:
    """The id of a request: derived from caller and key, or random without a key."""
    return str(uuid4()) if key is None else named_uuid(_SOURCE, caller, key)


def data_text(data: dict[str, object]) -> str:
    """The `data` of an event as JSON, without null fields. Numbers keep every digit."""
    return _JSON({name: value for name, value in data.items() if value is not None}).decode()


def event_id(caller: str, request_id: str) -> EventId:
    """Id and source of the event of a call."""
    return EventId(request_id, f"{_SOURCE}/{quote(caller, safe='')}")


def message_of(request: KeptRequest) -> Message | DeadLetter:
    """The event to publish, or why the worker would reject it."""
    key = event_id(request.caller, request.request_id)
    told = {"type": request.event_type, "source": key.source, "id": key.id, "time": instant_text(request.event_time)}
    message = publish_line(_JSON(told).removesuffix(b"}") + b',"data":' + request.data.encode() + b"}")
    if isinstance(message, DeadLetter) or request.traceparent is None:
        return message
    traced = (*message.headers, (TRACEPARENT, request.traceparent.encode()))
    return msgspec.structs.replace(message, headers=traced)


def sought(request: KeptRequest, message: Message, *, topic_prefix: str) -> Sought:
    """The keys that find the event again in the ledger or among the dead letters."""
    topic = topic_prefix + message.topic
    record = Record(topic=topic, partition=0, offset=0, key=message.key, value=message.value, headers=message.headers)
    read = decode(record, CARRIES[Topic(message.topic)])
    happened = received_happened(read) if isinstance(read, Received) else request.event_time
    return Sought(request.customer_id, request.event_key, topic, content_digest(record), happened)
