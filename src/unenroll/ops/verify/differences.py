"""One thing that is kept otherwise than it follows from the rest."""

from dataclasses import dataclass
from enum import StrEnum

from unenroll.core.events import AccountKey, EventId


class CheckedAgainst(StrEnum):
    """What was held against what."""

    ACCOUNT = "account"
    SETTLEMENT = "settlement"
    LEDGER = "ledger"
    PUBLISHED = "published"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What an account has of something (`kept`), and what it should have been (`decided`)."""

    customer_id: int
    target_id: int
    against: CheckedAgainst
    about: str
    kept: str
    decided: str


@dataclass(frozen=True, slots=True)
class AccountDrift:
    """The differences of one account, as they are found."""

    key: AccountKey
    against: CheckedAgainst
    found: list[Difference]

    def unless(self, alike: bool, about: str, *, kept: object, decided: object) -> None:  # noqa: FBT001 - reads as a sentence
        """Note a difference unless the two are alike."""
        if not alike:
            self.found.append(
                Difference(
                    customer_id=self.key.customer_id,
                    target_id=self.key.target_id,
                    against=self.against,
                    about=about,
                    kept=_words(kept),
                    decided=_words(decided),
                )
            )

    def same(self, about: str, *, kept: object, decided: object) -> None:
        """Note a difference unless the two are equal."""
        self.unless(kept == decided, about, kept=kept, decided=decided)


def leave_named(key: EventId) -> str:
    """A leave in words."""
    return f"leave {key.id} of {key.source}"


def _words(what: object) -> str:
    if isinstance(what, tuple):
        return " ".join(_words(one) for one in what if one is not None) or "nothing"
    return "nothing" if what is None else str(what)
