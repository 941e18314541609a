"""Requests of a plan, each a line for `publish` that also carries what the plan saw and what it predicts."""

from dataclasses import dataclass

import msgspec

from unenroll.core.events import Event, ExpectedAccount, SettlementDue
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import Rule
from unenroll.wire.content_hash import PLANNED_VERSION, content_version
from unenroll.wire.decode import Received, decode
from unenroll.wire.encode import named_uuid
from unenroll.wire.jsontext import member
from unenroll.wire.ndjson import publish_line
from unenroll.wire.reasons import DeadLetter, Reason, schema
from unenroll.wire.topics import CARRIES, Message, Record, Topic, event_name

_REQUEST = "UnenrollRequested"


@dataclass(frozen=True, slots=True)
class PredictedEvent:
    """An event that is to be published: its id, its name and its `data`, as JSON."""

    id: str
    type: str
    data: msgspec.Raw


@dataclass(frozen=True, slots=True)
class KeptReward:
    """A reward that stands after the decision, and why."""

    reward_id: str
    rule: Rule


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What a request will get. `decision` is its number on the account, None if it leaves no fact."""

    outcome: Outcome
    decision: int | None
    kept: tuple[KeptReward, ...]
    events: tuple[PredictedEvent, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedEvent:
    """A request as it is to be published, and what it says."""

    message: Message
    received: Received

    @property
    def expects(self) -> bool:
        """Whether it says what it expects of the account."""
        return content_version(self.received.event) == PLANNED_VERSION


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRequest:
    """A request of a plan, and what it will get."""

    request: PlannedEvent
    predicted: Prediction


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """In the order of the file."""

    type: str
    source: str
    id: str
    time: str
    data: msgspec.Raw
    predicted: Prediction


class _Subject(msgspec.Struct, rename="camel", gc=False):
    """What an event of ours is about: a reward, or else the request with its source."""

    request_source: str
    request_id: str
    reward_id: str | None = None


_SUBJECT = msgspec.json.Decoder(_Subject)
_PREDICTION = msgspec.json.Decoder(Prediction)
_JSON = msgspec.json.Encoder().encode
_EXPECTED = b',"expected":'
"""Behind a request's own fields. No text within them can read so: a quote in it would have a backslash."""


def request_line(line: bytes) -> PlannedEvent | DeadLetter:
    """The request that the line stands for, or why it stands for none. Never raises."""
    message = publish_line(line)
    if isinstance(message, DeadLetter):
        return message
    if message.topic != Topic.REQUESTS:
        return DeadLetter(reason=Reason.UNKNOWN_TYPE, detail=f"type: must be {_REQUEST}: only requests are planned")
    record = Record(
        topic=message.topic, partition=0, offset=0, key=message.key, value=message.value, headers=message.headers
    )
    received = decode(record, CARRIES[Topic.REQUESTS])
    return received if isinstance(received, DeadLetter) else PlannedEvent(message=message, received=received)


def planned_line(request: PlannedEvent, expected: ExpectedAccount, predicted: Prediction) -> bytes:
    """The line of a plan for the request, which keeps every field that it came with."""
    named = _named(request.message)
    line = _Line(
        type=_REQUEST,
        source=named["ce_source"],
        id=named["ce_id"],
        time=named["ce_time"],
        data=msgspec.Raw(_expecting(request.message.value or b"", expected)),
        predicted=predicted,
    )
    return _JSON(line) + b"\n"


def read_planned(line: bytes) -> PlannedRequest | DeadLetter:
    """What a text of `planned_line` says, or why it is none. Never raises."""
    request = request_line(line)
    if isinstance(request, DeadLetter):
        return request
    try:
        return PlannedRequest(request=request, predicted=_PREDICTION.decode(member(line.decode(), "predicted") or ""))
    except msgspec.MsgspecError as error:
        return schema("predicted", str(error))


def repeated_request(request: PlannedEvent, *, mark: str) -> bytes:
    """A line for the request of a plan that asks the same as another one: under its id with this mark, of no plan."""
    data, _, _ = (request.message.value or b"").rpartition(_EXPECTED)
    key = request.received.event.key
    named = _named(request.message)
    told = {"type": _REQUEST, "source": key.source, "id": key.id + mark, "time": named["ce_time"]}
    return _JSON(told).removesuffix(b"}") + b',"data":' + data + b"}}\n"


def predicted_events(message: Message) -> PredictedEvent:
    """What the message will tell."""
    named = _named(message)
    full = named["ce_type"]
    return PredictedEvent(named["ce_id"], event_name(full) or full, msgspec.Raw(message.value or b"null"))


def caused_events(message: Message, event: Event | SettlementDue) -> bool:
    """Whether the message, one of our events, is what a decision of this event tells."""
    named = _named(message)
    data = _SUBJECT.decode(message.value or b"{}")
    subject = (data.request_source, data.request_id) if data.reward_id is None else (data.reward_id,)
    cause = (event.customer_id, event.target_id, event.key.source, event.key.id)
    return named["ce_id"] == named_uuid(*cause, named["ce_type"], *subject)


def _expecting(data: bytes, expected: ExpectedAccount) -> bytes:
    """The text of an object, with what is expected as its last member."""
    told: dict[str, object] = {"decision": expected.decision}
    if expected.after is not None:
        told["after"] = {"id": expected.after.id, "source": expected.after.source}
    return data.removesuffix(b"}") + _EXPECTED + _JSON(told) + b"}"


def _named(message: Message) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in message.headers}
