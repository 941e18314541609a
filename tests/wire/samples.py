"""Valid records as an upstream sends them, which tests change."""

import json
from typing import Any

from hypothesis import strategies as st

from unenroll.wire.decode import ReceivedEvent, decode, decode_group
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import CARRIES, TOPIC_OF, Headers, Record, Topic, full_type

REQUEST: dict[str, Any] = {
    "customerId": 423789336,
    "targetGroupId": 11,
    "targetId": 21,
    "effectiveAt": "2026-03-15T09:30:00+05:30",
    "reason": "customer asked",
    "requestedBy": "agent 7",
    "expected": {"decision": 6, "after": {"id": "7f1b", "source": "/crm/app"}},
}
ENROLLED: dict[str, Any] = {
    "customerId": 423789336,
    "targetGroupId": 11,
    "targetId": 21,
    "enrolledAt": "2026-01-01T00:00:00Z",
    "periodName": "c1",
    "initialBalance": 12.5,
    "resetStreakStatus": True,
    "origin": "AUTOMATIC",
}
EARNED: dict[str, Any] = {
    "rewardId": "R3",
    "customerId": 423789336,
    "targetGroupId": 11,
    "targetId": 21,
    "periodName": "c3",
    "allocation": "PERIOD_END",
    "achievedAt": "2026-03-05T10:00:00Z",
    "level": 4,
    "issuedAt": "2026-04-01T06:00:00Z",
    "value": {"amount": "12.50", "unit": "EUR"},
}
ISSUED: dict[str, Any] = {
    "rewardId": "R3",
    "customerId": 423789336,
    "targetId": 21,
    "issuedAt": "2026-04-01T06:00:00Z",
}
DUE: dict[str, Any] = {"customerId": 423789336, "targetGroupId": 11, "targetId": 21, "version": 2}
DEFINED: dict[str, Any] = {
    "targetGroupId": 12,
    "name": "XYZ",
    "version": 1,
    "active": True,
    "timeZone": "Asia/Kolkata",
    "cycles": [
        {"periodName": "d1", "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"},
        {"periodName": "d2", "start": "2026-01-02T00:00:00Z", "end": "2026-01-03T00:00:00Z"},
    ],
    "targets": [
        {
            "targetId": 22,
            "name": "In a row",
            "kind": "STREAK",
            "active": False,
            "enrollment": "AUTOMATIC",
            "levels": [4, 8, 12],
        },
        {"targetId": 23, "name": "Once", "kind": "MILESTONE", "levels": []},
    ],
}
SAMPLES: dict[str, dict[str, Any]] = {
    "UnenrollRequested": REQUEST,
    "CustomerEnrolled": ENROLLED,
    "RewardEarned": EARNED,
    "RewardIssued": ISSUED,
    "SettlementDue": DUE,
    "TargetGroupDefined": DEFINED,
}

MEBIBYTE = 2**20
TIME = b"2026-03-15T04:00:00Z"

DIGITS = st.sampled_from(["", ".5", ".123456", ".1234569", ".9999999", ".000", ".", "." + "1" * 60])
INSTANT_TEXTS = st.one_of(
    st.builds("{}{}{}{}{}".format, st.dates(), st.sampled_from("Tt _"), st.times(), DIGITS, st.sampled_from("Zz+ ")),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["2026-03-15", "2026-02-29", "0001-01-01", "0000-01-01", "9999-12-31", "2026-W11-7"]),
        st.sampled_from(["T", "t", " "]),
        st.sampled_from(["04:00:00", "24:00:00", "23:59:60", "23:59:59.999999", "00:00:00", "04:00", "04:00:00,5"]),
        st.sampled_from(["Z", "z", "", "+05:30", "-00:00", "+0530", "+24:00", " Z", "Z\n", "\u0660Z", "\ud800Z"]),
    ),
    st.text(st.sampled_from("0123456789-:.TZz+ \\\u0662\ud800"), max_size=30),
)


def headers(name: str = "UnenrollRequested", **changed: bytes | None) -> Headers:
    """Binary mode. A header that is changed to None is left out; `ce_id=b"x"` replaces one."""
    usual = {
        "ce_specversion": b"1.0",
        "ce_type": full_type(name).encode(),
        "ce_source": b"/crm/app",
        "ce_id": b"7f1c",
        "ce_time": TIME,
        "content-type": b"application/json",
    }
    merged = usual | {header.replace("content_type", "content-type"): value for header, value in changed.items()}
    return tuple((header, value) for header, value in merged.items() if value is not None)


def record(value: bytes | None, head: Headers | None = None) -> Record:
    """A record of topic `requests` with this value, by default in binary mode."""
    return Record(
        topic="unenroll.requests",
        partition=1,
        offset=7,
        key=b"423789336",
        value=value,
        headers=headers() if head is None else head,
    )


def as_json(data: object) -> bytes:
    """Return the JSON that an upstream would send."""
    return json.dumps(data).encode()


def structured(name: str = "UnenrollRequested", **changed: object) -> bytes:
    """A value in structured mode. An attribute that is changed to None is left out."""
    usual = {
        "specversion": "1.0",
        "type": full_type(name),
        "source": "/crm/app",
        "id": "7f1c",
        "time": TIME.decode(),
        "data": SAMPLES[name],
    }
    return as_json({attribute: value for attribute, value in (usual | changed).items() if value is not None})


STRUCTURED: Headers = (("content-type", b"application/cloudevents+json"),)


def read(
    value: bytes | None, head: Headers | None = None, *, topic: Topic = Topic.REQUESTS
) -> ReceivedEvent | DeadLetter:
    """Decode a record on this topic."""
    return decode(record(value, head), CARRIES[topic])


def taken(value: bytes | None, head: Headers | None = None, *, topic: Topic = Topic.REQUESTS) -> ReceivedEvent:
    """Decode a record that must be valid."""
    received = read(value, head, topic=topic)
    assert isinstance(received, ReceivedEvent), received
    return received


def refusal(value: bytes | None, head: Headers | None = None, *, topic: Topic = Topic.REQUESTS) -> tuple[str, str]:
    """Decode a record that must be refused, and return reason and path."""
    refused = read(value, head, topic=topic)
    assert isinstance(refused, DeadLetter), refused
    return str(refused.reason), refused.detail.split(":")[0]


def refusal_of(name: str, data: object) -> DeadLetter | None:
    """Return the dead letter of this `data` on its own topic, or None if it is valid."""
    candidate = record(as_json(data), headers(name))
    if name == "TargetGroupDefined":
        group = decode_group(candidate)
        return group if isinstance(group, DeadLetter) else None
    event = decode(candidate, CARRIES[TOPIC_OF[name]])
    return event if isinstance(event, DeadLetter) else None


def request(**changed: object) -> bytes:
    """The request with these fields changed."""
    return as_json(REQUEST | changed)


def raw(field: str, text: str) -> bytes:
    """The request with a field in exactly this text."""
    others = ", ".join(f'"{name}": {number}' for name, number in REQUEST.items() if isinstance(number, int))
    return f'{{{others}, "{field}": {text}}}'.encode()
