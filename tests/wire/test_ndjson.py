"""Lines of NDJSON: messages for `publish`, facts and groups for `load`."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unenroll.core.definitions import TargetGroup
from unenroll.core.events import EventId
from unenroll.wire.ndjson import LoadedFact, load_line, publish_line
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Message, Topic
from wire.samples import DEFINED, DUE, EARNED, ENROLLED, ISSUED, REQUEST, SAMPLES, as_json, headers, taken

AT = "2026-03-05T10:00:00Z"


def line(name: str, **changed: object) -> bytes:
    """A full line. A member that is changed to None is left out."""
    usual = {"type": name, "source": "/engine", "id": "e-1", "time": AT, "data": SAMPLES[name]}
    return as_json({member: value for member, value in (usual | changed).items() if value is not None})


def reason(refused: object) -> tuple[str, str]:
    assert isinstance(refused, DeadLetter), refused
    return str(refused.reason), refused.detail.split(":")[0]


@pytest.mark.parametrize(
    ("name", "topic", "key"),
    [
        ("UnenrollRequested", "requests", b"423789336"),
        ("CustomerEnrolled", "facts", b"423789336"),
        ("RewardEarned", "facts", b"423789336"),
        ("RewardIssued", "facts", b"423789336"),
        ("TargetGroupDefined", "definitions", b"12"),
    ],
)
def test_a_line_is_published_in_binary_mode_to_its_topic(name: str, topic: str, key: bytes) -> None:
    message = publish_line(line(name))
    assert isinstance(message, Message)
    assert (message.topic, message.key, message.value) == (topic, key, as_json(SAMPLES[name]))
    assert message.headers == (
        ("ce_specversion", b"1.0"),
        ("ce_type", f"unenroll.{name}.v1".encode()),
        ("ce_source", b"/engine"),
        ("ce_id", b"e-1"),
        ("ce_time", b"2026-03-05T10:00:00Z"),
        ("content-type", b"application/json"),
    )


@pytest.mark.parametrize(
    "data", ['{ "customerId" : 5.0e0,"targetGroupId":11,\t"targetId":9007199254740993.0,"n":1e999 }']
)
@pytest.mark.parametrize("behind", ["", " ", ' , "data2": {"data": 1}', ', "x": "}"\n'])
def test_data_is_published_as_it_stands_in_the_line(data: str, behind: str) -> None:
    before = f'"data":{{}}, "type":"UnenrollRequested","source":"/e","id":"1" ,"time":"{AT}"'
    text = f' {{{before}, "da\\u0074a" : {data}{behind}}} '
    message = publish_line(text.encode())
    assert isinstance(message, Message)
    assert (message.key, message.value) == (b"5", data.encode())


PUBLISHED: dict[str, tuple[bytes, tuple[str, str]]] = {
    "no JSON": (b"{", ("not_json", "value")),
    "an empty line": (b"", ("not_json", "value")),
    "a list": (b"[]", ("schema", "line")),
    "no type": (line("RewardEarned", type=None), ("schema", "type")),
    "no source": (line("RewardEarned", source=None), ("schema", "source")),
    "no id": (line("RewardEarned", id=None), ("schema", "id")),
    "no time": (line("RewardEarned", time=None), ("schema", "time")),
    "a naive time": (line("RewardEarned", time="2026-03-05T10:00:00"), ("naive_time", "time")),
    "no data": (line("RewardEarned", data=None), ("schema", "data")),
    "data that is none": (line("RewardEarned", data=[]), ("schema", "data")),
    "a broken field": (line("RewardEarned", data=EARNED | {"level": "4"}), ("schema", "data.level")),
    "a broken definition": (line("TargetGroupDefined", data=DEFINED | {"cycles": []}), ("schema", "data.cycles")),
    "an unknown type": (line("RewardEarned", type="RewardLost"), ("unknown_type", "type")),
    "a type in full": (line("RewardEarned", type="unenroll.RewardEarned.v1"), ("unknown_type", "type")),
    "an event of ours": (line("SettlementDue", data=DUE), ("unknown_type", "type")),
}


@pytest.mark.parametrize(("text", "expected"), PUBLISHED.values(), ids=PUBLISHED)
def test_a_line_that_the_worker_would_refuse_is_not_published(text: bytes, expected: tuple[str, str]) -> None:
    assert reason(publish_line(text)) == expected


@pytest.mark.parametrize(
    ("name", "data"), [("CustomerEnrolled", ENROLLED), ("RewardEarned", EARNED), ("RewardIssued", ISSUED)]
)
def test_a_fact_is_loaded_as_the_worker_would_read_it(name: str, data: dict[str, Any]) -> None:
    loaded = load_line(line(name, source="/crm/app", id="7f1c"))
    assert isinstance(loaded, LoadedFact)
    received = taken(as_json(data), headers(name), topic=Topic.FACTS)
    assert (loaded.event, loaded.event_type, loaded.content_hash) == (
        received.event,
        received.event_type,
        received.content_hash,
    )
    assert loaded.time == datetime(2026, 3, 5, 10, tzinfo=UTC)


def test_a_fact_may_be_loaded_without_source_and_time() -> None:
    for absent in ({"source": None, "time": None}, {"source": None}):
        loaded = load_line(line("RewardIssued", **absent))
        assert isinstance(loaded, LoadedFact)
        assert loaded.event.key == EventId("e-1", "unenroll:load")
        assert (loaded.time is None) == ("time" in absent)
    null = json.loads(line("RewardIssued")) | {"time": None, "source": None}
    assert isinstance(load_line(as_json(null)), LoadedFact)


def test_a_definition_is_loaded_as_a_group() -> None:
    group = load_line(line("TargetGroupDefined", source=None, time=None))
    assert isinstance(group, TargetGroup)
    assert group.group_id == 12


LOADED: dict[str, tuple[bytes, tuple[str, str]]] = {
    "no JSON": (b"RewardIssued", ("not_json", "value")),
    "text": (b'""', ("schema", "line")),
    "no id": (line("RewardIssued", id=None), ("schema", "id")),
    "a naive time": (line("RewardIssued", time="2026-03-05T10:00:00"), ("naive_time", "time")),
    "a time that is none": (line("RewardIssued", time="soon"), ("schema", "time")),
    "no data": (line("RewardIssued", data=None), ("schema", "data")),
    "a broken field": (line("RewardIssued", data=ISSUED | {"customerId": 0}), ("schema", "data.customerId")),
    "a naive instant": (line("RewardIssued", data=ISSUED | {"issuedAt": AT[:-1]}), ("naive_time", "data.issuedAt")),
    "a broken definition": (line("TargetGroupDefined", data=DEFINED | {"name": 1}), ("schema", "data.name")),
    "a request": (line("UnenrollRequested", data=REQUEST), ("unknown_type", "type")),
}


@pytest.mark.parametrize(("text", "expected"), LOADED.values(), ids=LOADED)
def test_a_line_that_cannot_be_loaded_is_refused_with_the_path(text: bytes, expected: tuple[str, str]) -> None:
    assert reason(load_line(text)) == expected


@given(
    st.binary(max_size=80)
    | st.tuples(st.sampled_from([line(name) for name in SAMPLES]), st.integers(0, 300), st.binary(max_size=3)).map(
        lambda spoil: spoil[0][: spoil[1]] + spoil[2] + spoil[0][spoil[1] :]
    )
)
def test_no_line_raises(text: bytes) -> None:
    load_line(text)
    publish_line(text)
