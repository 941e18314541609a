"""The types of fields: how long a text may be, how large a number."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from unenroll.wire.instants import parse_instant
from unenroll.wire.refusals import Reason

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
