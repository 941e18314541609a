"""A difference between what is stored of an account and what follows from the rest."""

from dataclasses import dataclass, field
from enum import StrEnum

from unenroll.core.events import AccountKey, EventId


class CheckedAgainst(StrEnum):
    """What an account was compared with.

    ACCOUNT: it can be read, and its target is defined. SETTLEMENT: a new settlement of its facts. LEDGER: its rows in
    the ledger. PUBLISHED: its published events.
    """

    ACCOUNT = "account"
    SETTLEMENT = "settlement"
    LEDGER = "ledger"
    PUBLISHED = "published"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A part of an account, named by `about`: what is `stored`, and what was `decided` and should be stored."""

    customer_id: int
    target_id: int
    against: CheckedAgainst
    about: str
    stored: str
    decided: str


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """Compares one account with one thing and collects the differences."""

    key: AccountKey
    against: CheckedAgainst
    differences: list[Difference] = field(default_factory=list)

    def check(self, ok: bool, about: str, *, stored: object, expected: object) -> None:  # noqa: FBT001 - like assert
        """Add a difference unless `ok`."""
        if not ok:
            self.differences.append(
                Difference(
                    customer_id=self.key.customer_id,
                    target_id=self.key.target_id,
                    against=self.against,
                    about=about,
                    stored=_text(stored),
                    decided=_text(expected),
                )
            )

    def check_equal(self, about: str, *, stored: object, expected: object) -> None:
        """Add a difference unless the two are equal."""
        self.check(stored == expected, about, stored=stored, expected=expected)


def leave_text(key: EventId) -> str:
    """Return a leave's name for people, like `leave 17 of /app`."""
    return f"leave {key.id} of {key.source}"


def reward_text(reward_id: str) -> str:
    """Return a reward's name for people, like `reward R17`."""
    return f"reward {reward_id}"


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(_text(part) for part in value if part is not None) or "nothing"
    return "nothing" if value is None else str(value)
