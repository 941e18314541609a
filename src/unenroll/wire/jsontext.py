"""Parses JSON texts: numbers stay exact, nesting is limited, and refusals are dead letters."""

import re
from decimal import Decimal, InvalidOperation
from json.decoder import JSONDecodeError, JSONDecoder
from typing import NoReturn

import msgspec.json

from unenroll.wire.reasons import DeadLetter, not_json

MAX_DEPTH = 100
_INTEGER_DIGITS = 4300
_SAFE_DIGITS = 19

# The closing quote is optional: otherwise the regex would try again from each quote in a string without an end.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_WHITE_SPACE = " \t\n\r"
_OPENING_BRACKETS = frozenset({b"[", b"{"})


def parse(value: bytes | None) -> object | DeadLetter:
    """Return the JSON value in these bytes, or a `not_json` dead letter. Never raises.

    Integers of up to 4,300 digits are int, all other numbers Decimal. If an object has a name twice, the last one
    counts.
    """
    value = value or b""
    try:
        return parse_fast(value) if _brackets(value) <= MAX_DEPTH else parse_exactly(value)
    except ValueError:
        return parse_exactly(value)


def parse_exactly(value: bytes) -> object | DeadLetter:
    """Do the same as `parse`, slowly, and say precisely what is wrong."""
    text = _decoded(value)
    if isinstance(text, DeadLetter):
        return text
    try:
        document: object = _DECODER.decode(text)
    except JSONDecodeError as error:
        return not_json(f"is not JSON at character {error.pos}: {error.msg}")
    except (ValueError, RecursionError) as error:
        return not_json(f"is not JSON: {error}")
    return document


def member_text(text: str, name: str) -> str | None:
    """Return the text of the member with this name, unchanged, from the valid text of a JSON object; else None."""
    found = None
    position = _skip_white_space(text, text.index("{") + 1)
    while text.startswith('"', position):
        key, position = _DECODER.raw_decode(text, position)
        start = _skip_white_space(text, _skip_white_space(text, position) + 1)
        _, position = _DECODER.raw_decode(text, start)
        found = text[start:position] if key == name else found
        position = _skip_white_space(text, _skip_white_space(text, position) + 1)
    return found


def _skip_white_space(text: str, position: int) -> int:
    """Return the position of the next character that is not white space."""
    while position < len(text) and text[position] in _WHITE_SPACE:
        position += 1
    return position


def _decoded(value: bytes) -> str | DeadLetter:
    if not value:
        return not_json("is empty")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        return not_json(f"is not UTF-8 at byte {error.start}")
    if text[0] == "\ufeff":
        return not_json("begins with a byte order mark; remove it")
    if _too_deep(value):
        return not_json(f"is nested deeper than {MAX_DEPTH} levels")
    return text


def _too_deep(value: bytes) -> bool:
    """Return whether brackets nest beyond the limit. Behind a syntax error the result is not reliable, nor needed."""
    if _brackets(value) <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKETS.finditer(_STRINGS.sub(b"", value)):
        depth += 1 if bracket[0] in _OPENING_BRACKETS else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _brackets(value: bytes) -> int:
    return value.count(b"[") + value.count(b"{")


def _integer(text: str) -> int | Decimal:
    """Return the exact integer. Very long ones become Decimal, because int() takes quadratic time."""
    return int(text) if len(text.removeprefix("-")) <= _INTEGER_DIGITS else _number(text)


def _number(text: str) -> int | Decimal:
    """Return the exact number; `5.0` is the integer 5, as in JSON Schema.

    A number beyond the range of Decimal becomes NaN, which every field refuses.
    """
    try:
        decimal = Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")
    if not decimal:
        return 0
    if decimal.adjusted() >= _SAFE_DIGITS or decimal != decimal.to_integral_value():
        return decimal
    return int(decimal)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


parse_fast = msgspec.json.Decoder(float_hook=_number).decode
"""Do the same as `parse_exactly` in a fourth of the time. Raises ValueError for a few texts that that one takes."""
_DECODER = JSONDecoder(parse_float=_number, parse_int=_integer, parse_constant=_refuse_constant)
