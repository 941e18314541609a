"""Data and headers in any spelling are decoded or refused; decoding never raises."""

import json
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unenroll.core.reasons import Reason
from unenroll.wire import inbound
from unenroll.wire.fields import LONGEST_IDENTIFIER
from unenroll.wire.jsontext import MAX_DEPTH
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import CARRIES, TOPIC_OF, Headers, Topic, full_type
from wire.samples import INSTANT_TEXTS, SAMPLES, TIME, as_json, headers, read

NAMES = sorted(inbound.MODELS)
EDGES = [0, 1, 63, 64, 65, 199, 200, 201]
NUMBERS = st.one_of(
    st.integers().map(str),
    st.sampled_from([-1, 0, 1]).flatmap(lambda near: st.sampled_from([str(2**63 + near), str(-(2**63) + near)])),
    st.sampled_from(["5.0", "5.5", "-0", "-0.0", "1e2", "12.50", "0.1e1", "1e400", "9007199254740993.0", "9" * 400]),
    st.sampled_from(["5.00000000000000000001", "01", "1.", ".5", "+1", "NaN", "-Infinity", "1" * 38, "1e-39"]),
)
CHARACTERS = st.characters() | st.sampled_from('\x00\n"\\/é\u2028\U0001f600\ud800')
TEXTS = st.text(CHARACTERS, max_size=6) | st.builds(lambda one, count: one * count, CHARACTERS, st.sampled_from(EDGES))
ENUMERATED = st.sampled_from(["EXPLICIT", "AUTOMATIC", "IMMEDIATE", "PERIOD_END", "explicit"])
AMOUNTS = st.sampled_from(["12.50", "-0.00", "1e3", "007", "", "1" * 20])
DEEP = st.integers(MAX_DEPTH - 2, MAX_DEPTH + 2).map(lambda depth: "[" * depth + "]" * depth)
SOUP = st.lists(
    st.sampled_from([*'-+019.eE"\\/u{}[],: \n\t', "null", "true", "\x01", "\x7f", "\\u0000", "\\ud800", '"a":']),
    max_size=7,
).map("".join)


def spelled(text: str) -> st.SearchStrategy[str]:
    """Text as JSON may have it, with and without escapes."""
    return st.booleans().map(lambda escaped: json.dumps(text, ensure_ascii=escaped))


SPELLINGS = st.one_of(
    NUMBERS,
    st.one_of(INSTANT_TEXTS, TEXTS, ENUMERATED, AMOUNTS).flatmap(spelled),
    st.sampled_from(["null", "true", "false", "[]", "{}", '{"amount": "1.0", "unit": "EUR", "per": {}}']),
    DEEP,
    SOUP,
)
FIELDS = st.sampled_from(sorted({field for name in NAMES for field in SAMPLES[name]}))
KEYS = st.one_of(
    FIELDS.map(json.dumps), st.sampled_from(['"note"', '"customer\\u0049d"', '"customer_id"', '"\\ud800"', '"\\u0000"'])
)
MEMBERS = st.lists(st.tuples(KEYS, SPELLINGS), max_size=3)
ODD_HEADERS = st.tuples(
    st.sampled_from([*dict(headers()), "traceparent", "Content-Type", "ce_tenant", "ce_", "tracestate", "x", "\udcff"]),
    st.one_of(
        st.none(),
        st.binary(max_size=5),
        st.sampled_from([b"application/json", b"a\x00b", TIME, b"1.0", b"\xff", b"00-0af7", b"0" * 257]),
        INSTANT_TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.sampled_from("iéあ😀").flatmap(
            lambda one: st.sampled_from([one.encode() * count for count in (300, LONGEST_IDENTIFIER, 1025)])
        ),
        st.sampled_from(NAMES).map(lambda name: full_type(name).encode()),
    ),
)
HEADS = st.builds(
    lambda odd, without: tuple(odd) if without is None else (*(h for h in headers() if h[0] != without), *odd),
    st.lists(ODD_HEADERS, max_size=3),
    st.none() | st.sampled_from(["", *dict(headers())]),
)


def with_members(name: str, members: Iterable[tuple[str, str]]) -> bytes:
    """The sample with these members behind its own: of a name that is given twice the last one counts."""
    own = [f"{json.dumps(field)}: {json.dumps(content)}" for field, content in SAMPLES[name].items()]
    text = ", ".join([*own, *(f"{key}: {spelling}" for key, spelling in members)])
    return f"{{{text}}}".encode("utf-8", "surrogatepass")


@given(name=st.sampled_from(NAMES), members=MEMBERS, cut=st.none() | st.integers(0, 12))
def test_no_spelling_of_data_raises(name: str, members: Sequence[tuple[str, str]], cut: int | None) -> None:
    sample = list(json.loads(with_members(name, [])).items())
    read(with_members(name, members), headers(name), topic=TOPIC_OF[name])
    fewer = dict(sample if cut is None else sample[:cut] + sample[cut + 1 :])
    read(as_json(fewer), headers(name), topic=TOPIC_OF[name])


@given(name=st.sampled_from(NAMES), spelling=SPELLINGS)
def test_no_spelling_of_a_field_raises(name: str, spelling: str) -> None:
    for field in SAMPLES[name]:
        read(with_members(name, [(json.dumps(field), spelling)]), headers(name), topic=TOPIC_OF[name])


@pytest.mark.parametrize(("depth", "reason"), [(MAX_DEPTH - 1, None), (MAX_DEPTH, Reason.NOT_JSON)])
def test_data_nests_as_deep_as_it_may_and_no_deeper(depth: int, reason: Reason | None) -> None:
    for ignored in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        value = with_members("RewardIssued", [('"note"', ignored)])
        received = read(value, headers("RewardIssued"), topic=Topic.FACTS)
        assert (received.reason if isinstance(received, DeadLetter) else None) == reason


@given(name=st.sampled_from(NAMES), head=HEADS)
def test_no_spelling_of_headers_raises(name: str, head: Headers) -> None:
    typed = tuple((header, full_type(name).encode() if header == "ce_type" else value) for header, value in head)
    for topic in CARRIES:
        read(as_json(SAMPLES[name]), typed, topic=topic)
        read(as_json(SAMPLES[name]), head, topic=topic)
