"""The types of fields: how long a text may be, how large a number."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, ClassVar

import msgspec
import msgspec.json
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from unenroll.wire.reasons import Reason

LONGEST = 64

_LONGEST_QUICK = len("2026-03-15T04:00:00.000000Z")

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)

_INFINITE = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_JSON = msgspec.json.Encoder().encode
_OUTSIDE = "must be an instant that exists, between the years 1 and 9999 in UTC"


def parse_instant(text: str) -> datetime:
    """The instant in UTC, truncated to microseconds; naive if the text carries no offset.

    Raises ValueError, worded to follow the field's path, for anything else than RFC 3339 and for what no calendar has,
    the first and the last microsecond of all among it: Postgres's client takes those for infinity.
    """
    if text.endswith("Z") and len(text) <= _LONGEST_QUICK and "0002" < text < "9999":
        try:
            return msgspec.convert(text, datetime)
        except (msgspec.ValidationError, UnicodeEncodeError):
            pass  # they say less of why than we do
    return parse_any_instant(text)


def parse_any_instant(text: str) -> datetime:
    """The same, of any text: msgspec would round some, keep some at their offset, and words refusals otherwise."""
    if len(text) > LONGEST or _RFC_3339.fullmatch(text) is None:
        raise ValueError("must be an instant like 2026-03-15T09:30:00+05:30")
    try:
        instant = datetime.fromisoformat(text.upper())
        instant = instant if instant.tzinfo is None else in_utc(instant)
    except (ValueError, OverflowError):
        raise ValueError(_OUTSIDE) from None
    if (instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant) in _INFINITE:
        raise ValueError(_OUTSIDE)
    return instant


def instant_text(instant: datetime) -> str:
    """The instant in UTC with `Z`, with six digits of a second unless all are zero. Raises ValueError if naive."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no offset")
    return _JSON(in_utc(instant))[1:-1].decode()


def in_utc(instant: datetime) -> datetime:
    """The same instant, in UTC. `instant` carries an offset."""
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


SMALLEST_INT64 = -(2**63)
LARGEST_INT64 = 2**63 - 1
NUMBER_DIGITS = 38
LONGEST_REWARD_ID = 64
LONGEST_NAME = 200
LONGEST_REMARK = 200
LONGEST_IDENTIFIER = 1024
NO_NUL = r"^[^\x00]*$"

_OWN_INSTANT = re.compile(r"[-0-9]{10}T[:0-9]{8}(?:\.[0-9]{6})?Z")
_AMOUNT = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,18})?")


class Fields(BaseModel):
    """Fields of an event's `data`: camelCase on the wire, strictly typed, unknown ones ignored."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, frozen=True, extra="ignore", alias_generator=to_camel)


def instant(value: object) -> datetime:
    """The instant in UTC that this text, or an instant with offset, tells. Raises PydanticCustomError for all else."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    told = moment(value)
    if told.tzinfo is None:
        raise PydanticCustomError(Reason.NAIVE_TIME, "must carry an offset, like 2026-03-15T09:30:00+05:30")
    return told


def _own_instant(value: object) -> datetime:
    if isinstance(value, str) and _OWN_INSTANT.fullmatch(value) is None:
        raise PydanticCustomError("instant", "must be an instant in UTC with Z, like 2026-03-15T04:00:00Z")
    return instant(value)


def moment(value: object) -> datetime:
    """The instant that this text tells, naive if it carries no offset. Raises PydanticCustomError if it tells none."""
    if not isinstance(value, str):
        raise PydanticCustomError("instant", "must be an instant as text, like 2026-03-15T09:30:00+05:30")
    try:
        return parse_instant(value)
    except ValueError as error:
        raise PydanticCustomError("instant", "{why}", {"why": str(error)}) from None


def exact(value: object) -> Decimal:
    """The number that this is. Raises PydanticCustomError for anything else and for more digits than are kept."""
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


def amount(value: object) -> str:
    """The text, if it is an amount. Raises PydanticCustomError for anything else."""
    if not isinstance(value, str) or _AMOUNT.fullmatch(value) is None:
        raise PydanticCustomError("amount", 'must be a decimal as text, like "12.50"')
    return value


Int64 = Annotated[int, Field(ge=SMALLEST_INT64, le=LARGEST_INT64)]
Natural = Annotated[int, Field(ge=0, le=LARGEST_INT64)]
CustomerId = Annotated[int, Field(ge=1, le=LARGEST_INT64)]
Instant = Annotated[datetime, BeforeValidator(instant)]
OwnInstant = Annotated[datetime, BeforeValidator(_own_instant)]
Amount = Annotated[str, BeforeValidator(amount)]
Number = Annotated[Decimal, BeforeValidator(exact)]
RewardId = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_REWARD_ID, pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=NO_NUL)]
Remark = Annotated[str, StringConstraints(max_length=LONGEST_REMARK, pattern=NO_NUL)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_IDENTIFIER, pattern=NO_NUL)]
