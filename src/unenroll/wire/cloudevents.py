"""The CloudEvents 1.0 envelope of a Kafka record, in binary or structured mode (Kafka protocol binding)."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from unenroll.core.events import EventId
from unenroll.core.reasons import Reason
from unenroll.wire.fields import Identifier, instant_or_naive, instant_text
from unenroll.wire.reasons import DeadLetter, from_validation_error, schema, similar_name
from unenroll.wire.topics import Headers

CONTENT_TYPE = "content-type"
JSON = "application/json"
STRUCTURED = "application/cloudevents+json"
PREFIX = "ce_"
TRACEPARENT = "traceparent"
MAX_TRACEPARENT_BYTES = 256

_JSON_MEDIA_TYPE = re.compile(r"(?!application/cloudevents)[^/;\s]+/(?:[^/;\s]+\+)?json")


class EventAttributes(BaseModel):
    """The CloudEvents attributes that Unenroll reads. `time` has no offset if the text has none."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, frozen=True, extra="ignore")

    specversion: Literal["1.0"]
    type: Identifier
    source: Identifier
    id: Identifier
    time: Annotated[datetime, BeforeValidator(instant_or_naive)] | None = None


_REQUIRED = [name for name, field in EventAttributes.model_fields.items() if field.is_required()]
_ATTRIBUTES = {PREFIX + name: name for name in EventAttributes.model_fields} | {CONTENT_TYPE: CONTENT_TYPE}
"""The attribute behind each header, for a quick look-up of the usual headers."""


class CloudEvent(NamedTuple):
    """The envelope of an event and its `data`, not validated yet. `time` may be None or without offset."""

    key: EventId
    type: str
    time: datetime | None
    data: object


def read_cloudevent(headers: Headers, document: object) -> CloudEvent | DeadLetter:
    """Return the event of a record with these headers and this JSON value, or a `schema` dead letter."""
    attributes = _attributes(headers)
    if isinstance(attributes, DeadLetter):
        return attributes
    content_type = attributes.get(CONTENT_TYPE) or JSON
    if content_type == JSON:
        return _read_binary(attributes, document, headers)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == STRUCTURED:
        return _read_structured(document)
    if _JSON_MEDIA_TYPE.fullmatch(media_type):
        return _read_binary(attributes, document, headers)
    return schema(CONTENT_TYPE, f"must be {JSON} or {STRUCTURED}; found {media_type}")


def no_time(headers: Headers, document: object) -> DeadLetter:
    """Return the dead letter of an event without `time`. Names a header or field that looks like it."""
    hint = _header_hint("time", headers)
    if not hint and isinstance(document, dict):
        field = similar_name("time", document)
        hint = "" if field is None or field == "time" else f"; found {field}"
    return DeadLetter(reason=Reason.NO_TIME, detail=f"time: is missing; every event needs one{hint}")


def binary_headers(full_type: str, event_id: str, *, source: str, time: datetime) -> Headers:
    """Return the headers of an event in binary mode. Raises ValueError if `time` has no offset."""
    return (*headers_before_id(full_type, source), ("ce_id", event_id.encode()), *headers_after_id(time))


def headers_before_id(full_type: str, source: str) -> Headers:
    """Return the headers that come before `ce_id` in binary mode."""
    return ("ce_specversion", b"1.0"), ("ce_type", full_type.encode()), ("ce_source", source.encode())


def headers_after_id(time: datetime) -> Headers:
    """Return the headers that come after `ce_id` in binary mode. Raises ValueError if `time` has no offset."""
    return ("ce_time", instant_text(time).encode()), (CONTENT_TYPE, JSON.encode())


def traceparent(headers: Headers) -> bytes | None:
    """Return the W3C trace context to pass on: the first `traceparent` of at most 256 bytes, or None."""
    for name, value in headers:
        if name == TRACEPARENT and value is not None and len(value) <= MAX_TRACEPARENT_BYTES:
            return value
    return None


def _attributes(headers: Headers) -> dict[str, str | None] | DeadLetter:
    """Return the attributes without their prefix, and the content type. Refuses duplicates and invalid UTF-8."""
    attributes: dict[str, str | None] = {}
    for header, value in headers:
        name = _ATTRIBUTES.get(header) or _attribute_name(header)
        if name is None:
            continue
        if name in attributes:
            return schema(header, "occurs more than once; send it once")
        try:
            attributes[name] = None if value is None else value.decode()
        except UnicodeDecodeError:
            return schema(header, "is not UTF-8")
    return attributes


def _attribute_name(header: str) -> str | None:
    """Return the attribute behind a header, or None if Unenroll does not read the header."""
    if header.startswith(PREFIX):
        return header[len(PREFIX) :]
    return CONTENT_TYPE if header.lower() == CONTENT_TYPE else None


def _read_binary(attributes: Mapping[str, object], data: object, headers: Headers) -> CloudEvent | DeadLetter:
    try:
        return _cloud_event(attributes, data)
    except ValidationError as error:
        missing = next((name for name in _REQUIRED if name not in attributes), None)
        if missing is None:
            return from_validation_error(error, PREFIX)
        return schema(PREFIX + missing, f"is missing{_header_hint(missing, headers)}")


def _read_structured(document: object) -> CloudEvent | DeadLetter:
    if not isinstance(document, dict):
        return schema("value", "must be an object")
    if "data_base64" in document:
        return schema("data_base64", "is not supported; send the event's data as an object, in data")
    if not _is_json(document.get("datacontenttype")):
        return schema("datacontenttype", f"must be a JSON media type, like {JSON}")
    try:
        return _cloud_event(document, document.get("data"))
    except ValidationError as error:
        return from_validation_error(error, "")


def _cloud_event(attributes: Mapping[str, object], data: object) -> CloudEvent:
    """Raises ValidationError."""
    valid = EventAttributes.model_validate(attributes)
    return CloudEvent(EventId(valid.id, valid.source), valid.type, valid.time, data)


def _is_json(content_type: Any) -> bool:  # noqa: ANN401 - whatever the document contains there
    if not isinstance(content_type, str):
        return content_type is None
    return _JSON_MEDIA_TYPE.fullmatch(content_type.partition(";")[0].strip().lower()) is not None


def _header_hint(attribute: str, headers: Headers) -> str:
    """Return how the sender may have misspelled the header of an attribute, or what is missing altogether."""
    names = [name for name, _ in headers]
    found = similar_name(PREFIX + attribute, names)
    if found is not None and found != PREFIX + attribute:
        return f"; found header {found}; the Kafka binding uses {PREFIX}{attribute}"
    if attribute in _REQUIRED and not any(name.startswith(PREFIX) for name in names):
        return f"; found no header that begins with {PREFIX}, and content-type is not {STRUCTURED}"
    return ""
