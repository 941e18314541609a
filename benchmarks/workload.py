"""The accounts and requests that every variant gets: the same ones, in the same order."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from unenroll.wire.cloudevents import binary_headers
from unenroll.wire.fields import instant_text
from unenroll.wire.topics import Message, Topic, full_type

GROUP_ID = 11
TARGET_ID = 21
PARTITIONS = 4
WARM_UP = 200
SOURCE = "/bench"

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
CYCLE = timedelta(days=30)
_REJECTED_ONE_IN = 50
_LAST_CYCLES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """So many of the accounts ask to leave, once each; `cycles` is at least 5, `rewards` of each account at least 3.

    The last three rewards stand in the fifth to third last cycle, and customers leave in one of the last five: one
    `RewardCancelled` for each request, however large the accounts are. One request in fifty is rejected.
    """

    requests: int
    accounts: int
    cycles: int = 5
    rewards: int = 3

    @property
    def customers(self) -> int:
        """All of them, numbered from 1: those of the warm-up come first."""
        return WARM_UP + self.accounts

    def definition(self) -> dict[str, object]:
        """The group, as a line to load."""
        target = {"targetId": TARGET_ID, "name": "ABC", "kind": "MILESTONE"}
        group = {"targetGroupId": GROUP_ID, "name": "Bench", "version": 1, "active": True, "timeZone": "UTC"}
        return {
            "type": "TargetGroupDefined",
            "id": "g11",
            "data": {**group, "cycles": periods(self.cycles), "targets": [target]},
        }

    def facts(self, customer: int) -> Iterator[dict[str, object]]:
        """The customer's enrollment and rewards, as lines to load. They differ from others' in the customer alone."""
        account = {"customerId": customer, "targetGroupId": GROUP_ID, "targetId": TARGET_ID}
        yield {"type": "CustomerEnrolled", "id": "enrolled", "data": {**account, "enrolledAt": _text(BEGINNING)}}
        for number in range(1, self.rewards + 1):
            data = {**account, "rewardId": f"reward-{number}", **self._reward(number)}
            yield {"type": "RewardEarned", "id": f"earned-{number}", "data": data}

    def _reward(self, number: int) -> dict[str, object]:
        first = self.cycles - _LAST_CYCLES + 1
        nth = number - self.rewards + 2  # 0, 1, 2: the last three
        cycle = first + nth if nth >= 0 else 1 + number % first
        allocation = "PERIOD_END" if nth in {0, 2} else "IMMEDIATE"
        at = _start(cycle) + timedelta(days=4)
        return {"periodName": f"c{cycle}", "allocation": allocation, "achievedAt": _text(at)}

    def warm_up(self, partitions: int) -> Iterator[tuple[int, Message]]:
        """Requests of other accounts than those measured, each with its partition."""
        return ((index % partitions, self._request(index + 1, index)) for index in range(WARM_UP))

    def measured(self, partitions: int, *, first: int = 0) -> Iterator[tuple[int, Message]]:
        """The requests, from this one on, each with its partition."""
        for index in range(first, self.requests):
            yield index % partitions, self._request(self.leaving(index), index)

    def leaving(self, index: int) -> int:
        """The customer of this request, counted from 0."""
        return WARM_UP + 1 + index * (self.accounts // self.requests)

    def _request(self, customer: int, index: int) -> Message:
        cycle = self.cycles - index % _LAST_CYCLES
        at = _start(cycle) + timedelta(days=14)
        if index % _REJECTED_ONE_IN == 0:
            at = BEGINNING - timedelta(days=14)  # before the enrollment
        data = {"customerId": customer, "targetGroupId": GROUP_ID, "targetId": TARGET_ID, "reason": "bench"}
        return Message(
            topic=Topic.REQUESTS.value,
            key=b"%d" % customer,
            value=json.dumps(data).encode(),
            headers=binary_headers(full_type("UnenrollRequested"), f"leave-{customer}", source=SOURCE, time=at),
        )


def periods(count: int) -> list[dict[str, str]]:
    """So many cycles of a definition: c1, c2 and so on, 30 days each."""
    return [
        {"periodName": f"c{number}", "start": _text(_start(number)), "end": _text(_start(number + 1))}
        for number in range(1, count + 1)
    ]


def _start(number: int) -> datetime:
    return BEGINNING + (number - 1) * CYCLE


def _text(instant: datetime) -> str:
    return instant_text(instant)
