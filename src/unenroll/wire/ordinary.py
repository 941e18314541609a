"""The ordinary record, read in a third of the time.

Nearly all records are in binary mode, with nothing wrong and no number spelled oddly. They are read here, straight into
typed fields. Whatever else comes is left to the models of `inbound`, which know every spelling and word every refusal.
A test holds the two to each other: what is taken here is taken there, as the same event.
"""

from collections.abc import Mapping
from datetime import datetime

from msgspec import MsgspecError
from msgspec.json import Decoder

from unenroll.core.events import Event, EventId
from unenroll.wire.document import DEEPEST, number
from unenroll.wire.due import SettlementDue
from unenroll.wire.envelope import CONTENT_TYPE, JSON, LONGEST_TRACEPARENT, PREFIX, TRACEPARENT
from unenroll.wire.fields import LONGEST_IDENTIFIER
from unenroll.wire.names import full_type
from unenroll.wire.ordinary_data import MODELS, Data, UnenrollRequested, instant
from unenroll.wire.record import Record

_READ = frozenset({"ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time", CONTENT_TYPE, TRACEPARENT})
_JSON = JSON.encode()
_NAMES = {full_type(name).encode(): name for name in MODELS}
_DECODERS: Mapping[str, Decoder[Data]] = {name: Decoder(model, float_hook=number) for name, model in MODELS.items()}


Ordinary = tuple[Event | SettlementDue, str, datetime, bytes | None]
"""An event, its name, its time and its `traceparent`."""


def read_ordinary(record: Record, accepts: frozenset[str]) -> Ordinary | None:
    """What the record carries, or None where it has to be looked at more closely, whether to be taken or refused."""
    named = dict(record.headers)
    if len(named) != len(record.headers) or not (named.keys() <= _READ or _ignorable(named)):
        return None
    if named.get("ce_specversion") != b"1.0" or named.get(CONTENT_TYPE) != _JSON:
        return None
    name = _NAMES.get(named.get("ce_type") or b"")
    if name is None or name not in accepts:
        return None
    trace = named.get(TRACEPARENT)
    try:
        key, time = _key(named), _time(named)
        data = _DECODERS[name].decode(_json(record.value))
        event = data.event(key, time) if isinstance(data, UnenrollRequested) else data.event(key)
    except (MsgspecError, ValueError):
        return None
    return event, name, time, trace if trace is None or len(trace) <= LONGEST_TRACEPARENT else None


def _ignorable(named: Mapping[str, bytes | None]) -> bool:
    """Whether the headers that are not read are none of those that may not be there twice or must be text."""
    return not any(name.startswith(PREFIX) or name.lower() == CONTENT_TYPE for name in named.keys() - _READ)


def _key(named: Mapping[str, bytes | None]) -> EventId:
    event_id, source = named.get("ce_id"), named.get("ce_source")
    if not event_id or not source or b"\x00" in event_id + source:
        raise ValueError("is there no ordinary id and source")
    if len(event_id) > LONGEST_IDENTIFIER or len(source) > LONGEST_IDENTIFIER:
        raise ValueError("may be too long, in characters")
    return EventId(event_id.decode(), source.decode())


def _time(named: Mapping[str, bytes | None]) -> datetime:
    value = named.get("ce_time")
    if value is None:
        raise ValueError("is there no time")
    return instant(value.decode())


def _json(value: bytes | None) -> str:
    """The text of the value, which nests no deeper than it may and has no NUL, not even an escaped one."""
    text = (value or b"").decode()
    if "\\u0000" in text or (("[" in text or "{" in text[1:]) and text.count("{") + text.count("[") > DEEPEST):
        raise ValueError("is no ordinary text")
    return text
