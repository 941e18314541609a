"""What of all records or decisions is to be replayed. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from unenroll.errors import UsageError
from unenroll.wire.names import Topic

_OFFSETS = re.compile(r"(?P<topic>facts|requests)/(?P<partition>\d{1,9}):(?P<first>\d{1,18})-(?P<last>\d{1,18})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Offsets:
    """From the first to the last offset of a partition, both included. `last` None: to its end."""

    first: int
    last: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One partition of an input topic, by the topic's word."""

    topic: Topic
    partition: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What is chosen; nothing said chooses everything.

    `since` and `until` (not included) are about when a record came to its topic, in a file about the event's `time`,
    of decisions about when they were made.
    """

    offsets: Mapping[Place, Offsets] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    customers: frozenset[int] = frozenset()
    targets: frozenset[int] = frozenset()

    def at(self, instant: datetime | None) -> bool:
        """Whether something of this time is chosen. What tells no time is chosen only where none is asked for."""
        if instant is None:
            return self.since is None and self.until is None
        return (self.since is None or self.since <= instant) and (self.until is None or instant < self.until)

    def of(self, customer_id: int, target_id: int) -> bool:
        """Whether something of this account is chosen."""
        return self.every_customer(customer_id) and (not self.targets or target_id in self.targets)

    def every_customer(self, customer_id: int) -> bool:
        """Whether something of this customer may be chosen."""
        return not self.customers or customer_id in self.customers

    @property
    def of_accounts(self) -> bool:
        """Whether only some accounts are chosen: then nothing that names none."""
        return bool(self.customers or self.targets)


def read_offsets(texts: list[str]) -> dict[Place, Offsets]:
    """The ranges in texts like `requests/0:100-199` or `facts/3:17-`. Raises UsageError."""
    found: dict[Place, Offsets] = {}
    for text in texts:
        told = _OFFSETS.fullmatch(text)
        if told is None:
            raise UsageError(
                f"--offsets {text}: must be like requests/0:100-199, or requests/0:100- for all from there on"
            )
        place = Place(topic=Topic(told["topic"]), partition=int(told["partition"]))
        if place in found:
            raise UsageError(f"--offsets names {place.topic}/{place.partition} twice")
        offsets = Offsets(first=int(told["first"]), last=int(told["last"]) if told["last"] else None)
        if offsets.last is not None and offsets.last < offsets.first:
            raise UsageError(f"--offsets {text}: ends before it begins")
        found[place] = offsets
    return found
