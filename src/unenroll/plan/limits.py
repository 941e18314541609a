"""What a plan may do at most."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from unenroll.errors import UsageError
from unenroll.plan.totals import Totals


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """At most so many cancelled rewards, None: any number, worth at most so much in each of these units."""

    rewards: int | None
    values: Mapping[str, Decimal]

    def exceeded(self, totals: Totals) -> Iterator[str]:
        """In what the plan goes beyond them."""
        if self.rewards is not None and totals.cancelled > self.rewards:
            yield f"it cancels {totals.cancelled} rewards, and at most {self.rewards} are allowed"
        for unit, most in self.values.items():
            worth = totals.values.get(unit, Decimal(0))
            if worth > most:
                yield f"it cancels {worth:f} {unit}, and at most {most:f} are allowed"


def read_limits(rewards: int | None, values: Sequence[str]) -> Limits:
    """The limits in these words, each value `UNIT=AMOUNT`. Raises UsageError."""
    return Limits(rewards=rewards, values=dict(_value(text) for text in values))


def _value(text: str) -> tuple[str, Decimal]:
    unit, _, amount = text.rpartition("=")
    try:
        most = Decimal(amount)
    except InvalidOperation:
        most = Decimal("NaN")
    if not unit or not most.is_finite():
        raise UsageError(f"--max-value {text}: must be UNIT=AMOUNT, like EUR=1000.00")
    return unit, most
