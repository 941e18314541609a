"""Nothing that comes raises."""

from hypothesis import given
from hypothesis import strategies as st

from unenroll.wire.decode import decode_group
from unenroll.wire.topics import Headers, Topic
from wire.samples import (
    DEFINED,
    EARNED,
    ENROLLED,
    ISSUED,
    REQUEST,
    STRUCTURED,
    as_json,
    headers,
    read,
    record,
    structured,
)

HEADER_NAMES = st.one_of(
    st.sampled_from(
        ["ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time", "content-type", "traceparent", "dlq_redrives"]
    ),
    st.text(st.characters(), max_size=8),
)
HEADER_VALUES = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.sampled_from([value for _, value in (*headers(), *STRUCTURED)]),
    st.sampled_from([b"unenroll.RewardEarned.v1", b"unenroll.TargetGroupDefined.v1", b"2026-03-15T09:30:00"]),
)
HEADERS = st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=9).map(tuple)
NAMES = st.sampled_from([*REQUEST, *ENROLLED, *EARNED, *DEFINED, "specversion", "type", "source", "id", "time", "data"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=7),
    max_leaves=12,
)
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=60),
    JSON.map(as_json),
    st.tuples(
        st.sampled_from([as_json(REQUEST), structured(), as_json(DEFINED)]), st.integers(0, 400), st.binary(max_size=3)
    ).map(lambda spoil: spoil[0][: spoil[1]] + spoil[2] + spoil[0][spoil[1] :]),
)
SPOILED = st.dictionaries(NAMES, JSON, max_size=4).map(lambda changed: as_json(REQUEST | changed))


@given(
    value=VALUES | SPOILED,
    head=HEADERS | st.just(headers()) | st.just(STRUCTURED),
    topic=st.sampled_from([Topic.REQUESTS, Topic.FACTS]),
)
def test_nothing_that_comes_raises(value: bytes | None, head: Headers, topic: Topic) -> None:
    for name in ("UnenrollRequested", "CustomerEnrolled", "RewardEarned"):
        for with_type in (head, (*head, ("ce_type", f"unenroll.{name}.v1".encode()))):
            read(value, with_type, topic=topic)


@given(
    changed=st.dictionaries(NAMES, JSON, max_size=4),
    name=st.sampled_from(["CustomerEnrolled", "RewardEarned", "RewardIssued"]),
)
def test_no_data_raises(changed: dict[str, object], name: str) -> None:
    sample = {"CustomerEnrolled": ENROLLED, "RewardEarned": EARNED, "RewardIssued": ISSUED}[name]
    read(as_json(sample | changed), headers(name), topic=Topic.FACTS)
    decode_group(record(as_json(DEFINED | changed), headers("TargetGroupDefined")))
