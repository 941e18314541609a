"""Lines of a plan: requests as `publish` reads them, each with the expected account and the predicted outcome."""

from dataclasses import dataclass

import msgspec

from unenroll.core.events import Event, ExpectedAccount, SettlementDue
from unenroll.core.outcomes import Outcome
from unenroll.core.reasons import Reason
from unenroll.core.standings import Rule
from unenroll.wire.content_hash import PLANNED_VERSION, content_version
from unenroll.wire.decode import ReceivedEvent, decode
from unenroll.wire.encode import named_uuid
from unenroll.wire.jsontext import member_text
from unenroll.wire.ndjson import publish_line
from unenroll.wire.reasons import DeadLetter, schema
from unenroll.wire.topics import CARRIES, Message, Record, Topic, event_name

_REQUEST = "UnenrollRequested"


@dataclass(frozen=True, slots=True)
class PredictedEvent:
    """An event that a decision will publish: its id, its name and its `data` as JSON."""

    id: str
    type: str
    data: msgspec.Raw


@dataclass(frozen=True, slots=True)
class KeptReward:
    """A reward that the customer keeps, and the rule that says so."""

    reward_id: str
    rule: Rule


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """The predicted decision of a request. `decision` is its number on the account, None if it adds no fact."""

    outcome: Outcome
    decision: int | None
    kept: tuple[KeptReward, ...]
    events: tuple[PredictedEvent, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedRequest:
    """A request: the message to publish, and its content."""

    message: Message
    received: ReceivedEvent

    @property
    def has_expectation(self) -> bool:
        """Whether the request says what it expects of the account, so that it is part of a plan."""
        return content_version(self.received.event) == PLANNED_VERSION


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRequest:
    """A request of a plan, and its predicted decision."""

    request: ParsedRequest
    predicted: Prediction


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """The fields in the order of the file."""

    type: str
    source: str
    id: str
    time: str
    data: msgspec.Raw
    predicted: Prediction


class _Subject(msgspec.Struct, rename="camel", gc=False):
    """The subject of a published event: a reward, or else the request."""

    request_source: str
    request_id: str
    reward_id: str | None = None


_SUBJECT = msgspec.json.Decoder(_Subject)
_PREDICTION = msgspec.json.Decoder(Prediction)
_JSON = msgspec.json.Encoder().encode
_EXPECTED = b',"expected":'
"""Stands after the request's own fields. No string inside them can contain it, because JSON escapes quotes."""


def parse_request(line: bytes) -> ParsedRequest | DeadLetter:
    """The request of the line, or why the line is bad. Never raises."""
    message = publish_line(line)
    if isinstance(message, DeadLetter):
        return message
    if message.topic != Topic.REQUESTS:
        return DeadLetter(
            reason=Reason.UNKNOWN_TYPE, detail=f"type: must be {_REQUEST}, because a plan has only requests"
        )
    record = Record(
        topic=message.topic, partition=0, offset=0, key=message.key, value=message.value, headers=message.headers
    )
    received = decode(record, CARRIES[Topic.REQUESTS])
    return received if isinstance(received, DeadLetter) else ParsedRequest(message=message, received=received)


def planned_line(request: ParsedRequest, expected: ExpectedAccount, predicted: Prediction) -> bytes:
    """The line of a plan for the request. It has every field of the request, unknown ones too."""
    headers = _headers(request.message)
    line = _Line(
        type=_REQUEST,
        source=headers["ce_source"],
        id=headers["ce_id"],
        time=headers["ce_time"],
        data=msgspec.Raw(_with_expected(request.message.value or b"", expected)),
        predicted=predicted,
    )
    return _JSON(line) + b"\n"


def read_planned(line: bytes) -> PlannedRequest | DeadLetter:
    """The request and prediction of a line that `planned_line` wrote, or why the line is bad. Never raises."""
    request = parse_request(line)
    if isinstance(request, DeadLetter):
        return request
    try:
        return PlannedRequest(
            request=request, predicted=_PREDICTION.decode(member_text(line.decode(), "predicted") or "")
        )
    except msgspec.MsgspecError as error:
        return schema("predicted", str(error))


def request_again(request: ParsedRequest, *, suffix: str) -> bytes:
    """A line that asks the same as a request of a plan, without the expected account. `suffix` makes its id new."""
    data, _, _ = (request.message.value or b"").rpartition(_EXPECTED)
    key = request.received.event.key
    time = _headers(request.message)["ce_time"]
    envelope = {"type": _REQUEST, "source": key.source, "id": key.id + suffix, "time": time}
    return _JSON(envelope).removesuffix(b"}") + b',"data":' + data + b"}}\n"


def predicted_event(message: Message) -> PredictedEvent:
    """The event in the message."""
    headers = _headers(message)
    full = headers["ce_type"]
    return PredictedEvent(headers["ce_id"], event_name(full) or full, msgspec.Raw(message.value or b"null"))


def is_caused_by(message: Message, event: Event | SettlementDue) -> bool:
    """Whether the message is an event that the decision of this event published."""
    headers = _headers(message)
    data = _SUBJECT.decode(message.value or b"{}")
    subject = (data.request_source, data.request_id) if data.reward_id is None else (data.reward_id,)
    cause = (event.customer_id, event.target_id, event.key.source, event.key.id)
    return headers["ce_id"] == named_uuid(*cause, headers["ce_type"], *subject)


def _with_expected(data: bytes, expected: ExpectedAccount) -> bytes:
    """The text of the JSON object, with `expected` as its last member."""
    members: dict[str, object] = {"decision": expected.decisions}
    if expected.after is not None:
        members["after"] = {"id": expected.after.id, "source": expected.after.source}
    return data.removesuffix(b"}") + _EXPECTED + _JSON(members) + b"}"


def _headers(message: Message) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in message.headers}
