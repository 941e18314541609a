"""JSON text to plain values, with every number exact."""

import re
from decimal import Decimal, InvalidOperation
from json.decoder import JSONDecodeError, JSONDecoder
from typing import NoReturn

from unenroll.wire.reasons import DeadLetter, not_json

DEEPEST = 100
SAFE_DIGITS = 19

# The closing quote is optional, so that text that never closes one is not tried again from each quote in it.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_WHITE_SPACE = " \t\n\r"
_OPENING = frozenset({b"[", b"{"})


def parse(value: bytes | None) -> object | DeadLetter:
    """The JSON value in these bytes, or a `not_json` refusal. Never raises.

    Whole numbers are int (up to some 64 bits), all others Decimal; of a name that is given twice the last one counts.
    """
    text = _text(value or b"")
    if isinstance(text, DeadLetter):
        return text
    try:
        document: object = _DECODER.decode(text)
    except JSONDecodeError as error:
        return not_json(f"is not JSON at character {error.pos}: {error.msg}")
    except (ValueError, RecursionError) as error:
        return not_json(f"is not JSON: {error}")
    return document


def member(text: str, name: str) -> str | None:
    """The text of the member of this name, as it stands in the text of a JSON object, or None if there is none."""
    found = None
    position = _next(text, text.index("{") + 1)
    while text.startswith('"', position):
        key, position = _DECODER.raw_decode(text, position)
        start = _next(text, _next(text, position) + 1)
        _, position = _DECODER.raw_decode(text, start)
        found = text[start:position] if key == name else found
        position = _next(text, _next(text, position) + 1)
    return found


def _next(text: str, position: int) -> int:
    """Where the next thing begins that is no white space."""
    while position < len(text) and text[position] in _WHITE_SPACE:
        position += 1
    return position


def _text(value: bytes) -> str | DeadLetter:
    if not value:
        return not_json("is empty")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        return not_json(f"is not UTF-8 at byte {error.start}")
    if text[0] == "\ufeff":
        return not_json("begins with a byte order mark")
    if _deep(value):
        return not_json(f"is nested deeper than {DEEPEST} levels")
    return text


def _deep(value: bytes) -> bool:
    """Whether brackets nest beyond the limit. Right up to the first error in the text, which is all it needs."""
    if value.count(b"[") + value.count(b"{") <= DEEPEST:
        return False
    depth = 0
    for bracket in _BRACKETS.finditer(_STRINGS.sub(b"", value)):
        depth += 1 if bracket[0] in _OPENING else -1
        if depth > DEEPEST:
            return True
    return False


def _integer(text: str) -> int | Decimal:
    """Exact, and fast for any number of digits: int() takes quadratic time, Decimal does not."""
    return int(text) if len(text) <= SAFE_DIGITS else number(text)


def number(text: str) -> int | Decimal:
    """`5.0` is the integer 5, as JSON Schema has it. What no Decimal can hold becomes NaN, which no field takes."""
    try:
        told = Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")
    if not told:
        return 0
    if told.adjusted() >= SAFE_DIGITS or told != told.to_integral_value():
        return told
    return int(told)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


_DECODER = JSONDecoder(parse_float=number, parse_int=_integer, parse_constant=_refuse)
