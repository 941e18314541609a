"""The fast parser and the exact one agree on every text that the fast one takes."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unenroll.wire import jsontext
from unenroll.wire.reasons import DeadLetter

NUMBERS = [
    b"1",
    b"-0",
    b"0.0",
    b"5.0",
    b"1e2",
    b"1E400",
    b"-1.5e-3",
    b"0.1000",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"-",
    b"1e99999",
]
LONG = [
    b"9223372036854775807",
    b"18446744073709551616",
    b"-99999999999999999999",
    b"1" * 4300,
    b"1" * 4301,
    b"-" + b"1" * 4300,
]
STRINGS = [
    b'"a"',
    b'"\\u00e9"',
    b'"\\ud800"',
    b'"\\ud83d\\ude00"',
    b'"\xc3\xa9"',
    b'"\xed\xa0\x80"',
    b'"\xff"',
    b'"\xc0\x80"',
]
STRANGE = [
    b'"\x01"',
    b'"\\x"',
    b'"\\/"',
    b'"\x7f"',
    b'"\\u0000"',
    b'""',
    b"true",
    b"null",
    b"NaN",
    b"-Infinity",
    b"{}",
    b"[]",
]
ATOMS = st.sampled_from([*NUMBERS, *LONG, *STRINGS, *STRANGE])
SPACE = st.sampled_from([b"", b"", b"", b" ", b"\n", b"\t", b"\r", b"\x0b", b"\xc2\xa0"])
NAMES = st.sampled_from([b'"a"', b'"b"', b'"\\u0061"', b"a", b'"\xff"'])


def lists(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.lists(st.tuples(SPACE, inner).map(b"".join), max_size=3).map(lambda items: b"[" + b",".join(items) + b"]")


def objects(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    member = st.tuples(NAMES, SPACE, st.just(b":"), inner).map(b"".join)
    return st.lists(member, max_size=4).map(lambda members: b"{" + b",".join(members) + b"}")


TEXTS = st.tuples(
    st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf"]),
    SPACE,
    st.recursive(ATOMS, lambda inner: lists(inner) | objects(inner), max_leaves=8),
    st.sampled_from([b"", b"", b"", b" ", b"x", b"\x00", b","]),
).map(b"".join)


def exactly(value: object) -> object:
    """The value with its types, so that 1, 1.0, True and Decimal("1") differ."""
    if isinstance(value, dict):
        return [(name, exactly(one)) for name, one in value.items()]
    if isinstance(value, list):
        return [exactly(one) for one in value]
    return type(value), str(value) if isinstance(value, Decimal) else value


@settings(max_examples=2000)
@given(TEXTS)
def test_both_parsers_agree_where_the_fast_one_takes_the_text(text: bytes) -> None:
    try:
        fast = jsontext.parse_fast(text)
    except ValueError:
        fast = jsontext.parse_exactly(text)
    assert exactly(fast) == exactly(jsontext.parse_exactly(text)) == exactly(jsontext.parse(text))


@pytest.mark.parametrize(("depth", "taken"), [(100, True), (101, False), (100_000, False)])
def test_nesting_is_limited_for_both(depth: int, taken: bool) -> None:
    assert isinstance(jsontext.parse(b"[" * depth + b"]" * depth), DeadLetter) is not taken
