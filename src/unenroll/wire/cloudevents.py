"""The CloudEvents envelope of a record, in binary or structured mode (CloudEvents 1.0, Kafka protocol binding)."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from unenroll.core.events import EventId
from unenroll.wire.fields import Identifier, instant_text, moment
from unenroll.wire.reasons import DeadLetter, of_model, schema
from unenroll.wire.topics import Headers

CONTENT_TYPE = "content-type"
JSON = "application/json"
STRUCTURED = "application/cloudevents+json"
PREFIX = "ce_"
TRACEPARENT = "traceparent"
LONGEST_TRACEPARENT = 256

_ANY_JSON = re.compile(r"(?!application/cloudevents)[^/;\s]+/(?:[^/;\s]+\+)?json")


class EventAttributes(BaseModel):
    """The attributes that we read. `time` is naive where the text carries no offset."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, frozen=True, extra="ignore")

    specversion: Literal["1.0"]
    type: Identifier
    source: Identifier
    id: Identifier
    time: Annotated[datetime, BeforeValidator(moment)] | None = None


_KNOWN = {PREFIX + name: name for name in EventAttributes.model_fields} | {CONTENT_TYPE: CONTENT_TYPE}


class CloudEvent(NamedTuple):
    """An event whose `data` is not looked at yet. `type` is the full one, `time` may be None or naive."""

    key: EventId
    type: str
    time: datetime | None
    data: object


def read_cloudevent(headers: Headers, document: object) -> CloudEvent | DeadLetter:
    """The envelope of a record with these headers and this JSON value, or a `schema` refusal."""
    named = _named(headers)
    if isinstance(named, DeadLetter):
        return named
    content_type = named.get(CONTENT_TYPE) or JSON
    if content_type == JSON:
        return _opened(named, document, prefix=PREFIX)
    media = content_type.partition(";")[0].strip().lower()
    if media == STRUCTURED:
        return _structured(document)
    if _ANY_JSON.fullmatch(media):
        return _opened(named, document, prefix=PREFIX)
    return schema(CONTENT_TYPE, f"must be {JSON} or {STRUCTURED}")


def binary_headers(full_type: str, event_id: str, *, source: str, time: datetime) -> Headers:
    """The headers of an event in binary mode. Raises ValueError if `time` is naive."""
    return (*headers_before(full_type, source), ("ce_id", event_id.encode()), *headers_behind(time))


def headers_before(full_type: str, source: str) -> Headers:
    """Those of the headers that stand before `ce_id`."""
    return ("ce_specversion", b"1.0"), ("ce_type", full_type.encode()), ("ce_source", source.encode())


def headers_behind(time: datetime) -> Headers:
    """Those that stand behind it. Raises ValueError if `time` is naive."""
    return ("ce_time", instant_text(time).encode()), (CONTENT_TYPE, JSON.encode())


def traceparent(headers: Headers) -> bytes | None:
    """What is to be passed on of W3C trace context: the first `traceparent`, unless it is absurdly long."""
    for name, value in headers:
        if name == TRACEPARENT and value is not None and len(value) <= LONGEST_TRACEPARENT:
            return value
    return None


def _named(headers: Headers) -> dict[str, str | None] | DeadLetter:
    """The attributes by name without prefix, and the content type. Each may be there once only."""
    named: dict[str, str | None] = {}
    for header, value in headers:
        name = _KNOWN.get(header) or _name(header)
        if name is None:
            continue
        if name in named:
            return schema(header, "is there more than once")
        try:
            named[name] = None if value is None else value.decode()
        except UnicodeDecodeError:
            return schema(header, "is not UTF-8")
    return named


def _name(header: str) -> str | None:
    """The name that the header's value goes by, or None if we do not read it."""
    if header.startswith(PREFIX):
        return header[len(PREFIX) :]
    return CONTENT_TYPE if header.lower() == CONTENT_TYPE else None


def _structured(document: object) -> CloudEvent | DeadLetter:
    if not isinstance(document, dict):
        return schema("value", "must be an object")
    if "data_base64" in document:
        return schema("data_base64", "must be sent as `data`, an object")
    if not _is_json(document.get("datacontenttype")):
        return schema("datacontenttype", "must be JSON")
    return _opened(document, document.get("data"), prefix="")


def _is_json(content_type: Any) -> bool:  # noqa: ANN401 - whatever the document has there
    if not isinstance(content_type, str):
        return content_type is None
    return _ANY_JSON.fullmatch(content_type.partition(";")[0].strip().lower()) is not None


def _opened(named: Mapping[str, object], data: object, *, prefix: str) -> CloudEvent | DeadLetter:
    try:
        attributes = EventAttributes.model_validate(named)
    except ValidationError as error:
        return of_model(error, prefix)
    return CloudEvent(EventId(attributes.id, attributes.source), attributes.type, attributes.time, data)
