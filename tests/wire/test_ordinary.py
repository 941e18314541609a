"""The ordinary record is read by another way than all others, and never otherwise than it would be there."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unenroll.wire import inbound, ordinary_data
from unenroll.wire.document import DEEPEST, parse
from unenroll.wire.fields import LONGEST_IDENTIFIER
from unenroll.wire.instants import parse_any_instant, parse_instant
from unenroll.wire.names import CARRIES, TOPIC_OF, Topic, full_type
from unenroll.wire.ordinary import read_ordinary
from unenroll.wire.record import Headers
from unenroll.wire.refusals import DeadLetter
from wire.samples import SAMPLES, STRUCTURED, TIME, as_json, headers, read, record, structured

NAMES = sorted(ordinary_data.MODELS)
EDGES = [0, 1, 63, 64, 65, 199, 200, 201]
NUMBERS = st.one_of(
    st.integers().map(str),
    st.sampled_from([-1, 0, 1]).flatmap(lambda near: st.sampled_from([str(2**63 + near), str(-(2**63) + near)])),
    st.sampled_from(["5.0", "5.5", "-0", "-0.0", "1e2", "12.50", "0.1e1", "1e400", "9007199254740993.0", "9" * 400]),
    st.sampled_from(["5.00000000000000000001", "01", "1.", ".5", "+1", "NaN", "-Infinity", "1" * 38, "1e-39"]),
)
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
CHARACTERS = st.characters() | st.sampled_from('\x00\n"\\/é\u2028\U0001f600\ud800')
TEXTS = st.text(CHARACTERS, max_size=6) | st.builds(lambda one, count: one * count, CHARACTERS, st.sampled_from(EDGES))
ENUMERATED = st.sampled_from(["EXPLICIT", "AUTOMATIC", "IMMEDIATE", "PERIOD_END", "explicit"])
AMOUNTS = st.sampled_from(["12.50", "-0.00", "1e3", "007", "", "1" * 20])
DEEP = st.integers(DEEPEST - 2, DEEPEST + 2).map(lambda depth: "[" * depth + "]" * depth)
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
def test_data_is_read_the_same_by_either_way(name: str, members: Sequence[tuple[str, str]], cut: int | None) -> None:
    sample = list(json.loads(with_members(name, [])).items())
    read(with_members(name, members), headers(name), topic=TOPIC_OF[name])
    fewer = dict(sample if cut is None else sample[:cut] + sample[cut + 1 :])
    read(as_json(fewer), headers(name), topic=TOPIC_OF[name])


@given(name=st.sampled_from(NAMES), spelling=SPELLINGS)
def test_every_field_is_read_the_same_by_either_way(name: str, spelling: str) -> None:
    for field in SAMPLES[name]:
        read(with_members(name, [(json.dumps(field), spelling)]), headers(name), topic=TOPIC_OF[name])


@pytest.mark.parametrize("depth", [DEEPEST - 1, DEEPEST, DEEPEST + 1])
def test_the_deepest_nesting_is_the_same_by_either_way(depth: int) -> None:
    for skipped in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        read(with_members("RewardIssued", [('"note"', skipped)]), headers("RewardIssued"), topic=Topic.FACTS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("offset", ["", "+05:30", "+0530", "Z", "z"])
@pytest.mark.parametrize("second", ["00", "59.9999995", "60"])
def test_a_time_is_read_the_same_by_either_way(name: str, second: str, offset: str) -> None:
    head = headers(name, ce_time=f"2026-03-15T23:59:{second}{offset}".encode())
    read(as_json(SAMPLES[name]), head, topic=TOPIC_OF[name])


@given(name=st.sampled_from(NAMES), head=HEADS)
def test_headers_are_read_the_same_by_either_way(name: str, head: Headers) -> None:
    typed = tuple((header, full_type(name).encode() if header == "ce_type" else value) for header, value in head)
    for topic in CARRIES:
        read(as_json(SAMPLES[name]), typed, topic=topic)
        read(as_json(SAMPLES[name]), head, topic=topic)


class Nothing(msgspec.Struct):
    """Fields that nobody knows are skipped."""


@given(soup=SOUP, text=TEXTS)
def test_what_is_skipped_is_json_by_either_way(soup: str, text: str) -> None:
    decoder = msgspec.json.Decoder(Nothing)
    for value in (f'{{"note":{soup}}}', f'{{"note":"{text}"}}', f'{{"{text}":1}}', f"{{{soup}}}", soup):
        try:
            decoder.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
        assert not isinstance(parse(value.encode()), DeadLetter)


@given(INSTANT_TEXTS)
def test_an_instant_is_the_same_by_either_way(text: str) -> None:
    def told(parse: Callable[[str], datetime]) -> str:
        try:
            return repr(parse(text))
        except ValueError as error:
            return repr(error)

    assert told(parse_instant) == told(parse_any_instant)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_ordinary_takes_the_short_way(name: str) -> None:
    accepts = CARRIES[TOPIC_OF[name]]
    odd = (("tracestate", b"\xff"), ("x", None), ("traceparent", b"00-0af7"))
    for value in (as_json(SAMPLES[name]), as_json(SAMPLES[name] | {"note": ["{", 1.5, None]})):
        assert read_ordinary(record(value, headers(name)), accepts) is not None
        assert read_ordinary(record(value, (*headers(name), *odd)), accepts) is not None
    assert read_ordinary(record(structured(name), STRUCTURED), accepts) is None


@pytest.mark.parametrize("name", NAMES)
def test_the_fields_of_an_ordinary_event_are_those_of_its_model(name: str) -> None:
    swift = msgspec.structs.fields(ordinary_data.MODELS[name])
    model = inbound.MODELS[name].model_fields
    assert [(field.name, field.encode_name, field.required) for field in swift] == [
        (field, of.alias, of.is_required()) for field, of in model.items()
    ]
