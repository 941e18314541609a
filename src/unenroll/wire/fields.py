"""The types of fields on the wire: instants, numbers and texts with their limits."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, ClassVar

import msgspec
import msgspec.json
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from unenroll.core.reasons import Reason

SMALLEST_INT64 = -(2**63)
LARGEST_INT64 = 2**63 - 1
NUMBER_DIGITS = 38
LONGEST_REWARD_ID = 64
LONGEST_NAME = 200
LONGEST_REMARK = 200
LONGEST_IDENTIFIER = 1024
LONGEST_INSTANT = 64
NO_NUL = r"^[^\x00]*$"
NO_OFFSET = "has no UTC offset; write it like 2026-03-15T09:30:00+05:30"

_LONGEST_FAST_INSTANT = len("2026-03-15T04:00:00.000000Z")
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)
_INFINITE = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_OUT_OF_RANGE = "must be an instant that exists, between the years 1 and 9999 in UTC"
_PUBLISHED_INSTANT = re.compile(r"[-0-9]{10}T[:0-9]{8}(?:\.[0-9]{6})?Z")
_AMOUNT = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,18})?")
_JSON = msgspec.json.Encoder().encode


def parse_instant(text: str) -> datetime:
    """Return the RFC 3339 instant in UTC, truncated to microseconds; without offset if the text has none.

    Raises ValueError for any other text and for an instant that does not exist. Its message fits behind the path of a
    field. The first and the last microsecond that Python knows are refused too: asyncpg takes them for infinity.
    """
    if text.endswith("Z") and len(text) <= _LONGEST_FAST_INSTANT and "0002" < text < "9999":
        try:
            return msgspec.convert(text, datetime)
        except (msgspec.ValidationError, UnicodeEncodeError):
            pass  # parse_any_instant says more precisely why
    return parse_any_instant(text)


def parse_any_instant(text: str) -> datetime:
    """Do the same as `parse_instant`, without the shortcut through msgspec.

    For other texts than the shortcut's, msgspec rounds, keeps the offset or has other messages.
    """
    if len(text) > LONGEST_INSTANT or _RFC_3339.fullmatch(text) is None:
        raise ValueError("must be an instant like 2026-03-15T09:30:00+05:30")
    try:
        instant = datetime.fromisoformat(text.upper())
        instant = instant if instant.tzinfo is None else in_utc(instant)
    except (ValueError, OverflowError):
        raise ValueError(_OUT_OF_RANGE) from None
    if (instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant) in _INFINITE:
        raise ValueError(_OUT_OF_RANGE)
    return instant


def instant_text(instant: datetime) -> str:
    """Return the instant in UTC with `Z`, with six decimals unless all are zero. Raises ValueError without offset."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no offset")
    return _JSON(in_utc(instant))[1:-1].decode()


def in_utc(instant: datetime) -> datetime:
    """Return the same instant in UTC. `instant` must have an offset."""
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


class Fields(BaseModel):
    """The base of the models of `data`: camelCase on the wire, strict types, unknown fields ignored."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, frozen=True, extra="ignore", alias_generator=to_camel)


def instant_or_naive(value: object) -> datetime:
    """Validate an instant that may have no offset. Raises PydanticCustomError."""
    if not isinstance(value, str):
        raise PydanticCustomError("instant", "must be an instant as text, like 2026-03-15T09:30:00+05:30")
    try:
        return parse_instant(value)
    except ValueError as error:
        raise PydanticCustomError("instant", "{why}", {"why": str(error)}) from None


def _instant(value: object) -> datetime:
    """Validate an instant with an offset: a text, or a datetime, which a reader of our own events may pass."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    instant = instant_or_naive(value)
    if instant.tzinfo is None:
        raise PydanticCustomError(Reason.NAIVE_TIME, NO_OFFSET)
    return instant


def _published_instant(value: object) -> datetime:
    """Validate an instant in the form in which Unenroll publishes it."""
    if isinstance(value, str) and _PUBLISHED_INSTANT.fullmatch(value) is None:
        raise PydanticCustomError("instant", "must be an instant in UTC with Z, like 2026-03-15T04:00:00Z")
    return _instant(value)


def _exact_number(value: object) -> Decimal:
    """Validate a number with at most 38 digits."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PydanticCustomError("number", "must be a number")
    number = Decimal(value)
    if (
        not number.is_finite()
        or len(number.as_tuple().digits) > NUMBER_DIGITS
        or abs(number.adjusted()) > NUMBER_DIGITS
    ):
        raise PydanticCustomError("number", f"must be a number of at most {NUMBER_DIGITS} digits")
    return number


def _amount(value: object) -> str:
    """Validate a decimal as text."""
    if not isinstance(value, str) or _AMOUNT.fullmatch(value) is None:
        raise PydanticCustomError("amount", 'must be a decimal as text, like "12.50"')
    return value


Int64 = Annotated[int, Field(ge=SMALLEST_INT64, le=LARGEST_INT64)]
Natural = Annotated[int, Field(ge=0, le=LARGEST_INT64)]
CustomerId = Annotated[int, Field(ge=1, le=LARGEST_INT64)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
PublishedInstant = Annotated[datetime, BeforeValidator(_published_instant)]
Amount = Annotated[str, BeforeValidator(_amount)]
Number = Annotated[Decimal, BeforeValidator(_exact_number)]
RewardId = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_REWARD_ID, pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=NO_NUL)]
Remark = Annotated[str, StringConstraints(max_length=LONGEST_REMARK, pattern=NO_NUL)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_IDENTIFIER, pattern=NO_NUL)]
