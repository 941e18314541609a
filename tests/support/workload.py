"""A workload: many accounts in a few target groups with all their events, generated from a seed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

from support.account_histories import (
    MOVE,
    PERIOD,
    REWARD,
    TARGETS,
    AccountHistory,
    calendar_of,
    group_of,
    history_of,
    tick,
)
from unenroll.core.calendar import Calendar
from unenroll.core.definitions import Target, TargetGroup
from unenroll.core.events import Event, EventId, RewardEarned, RewardIssued, UnenrollRequested

_FIRST_CUSTOMER = 1_000
_FIRST_GROUP = 100
_GROUPS = 6
_ACCOUNTS_OF_A_CUSTOMER = 2
_MOST_MOVES = 10
_MOST_REWARDS = 5


@dataclass(frozen=True, kw_only=True)
class Workload:
    """`refused` are requests to leave at a later time than they were made: they leave no fact.

    `groups` are as they end. `grown` has, for each of their versions, how many cycles are known by then.
    """

    seed: int
    groups: tuple[TargetGroup, ...]
    grown: Mapping[int, tuple[int, ...]]
    histories: tuple[AccountHistory, ...]
    refused: tuple[UnenrollRequested, ...]

    def events(self) -> list[Event]:
        """All events, each once."""
        return [*(event for history in self.histories for event in history.events), *self.refused]

    def defined(self, group: TargetGroup, version: int) -> TargetGroup:
        """The group as this version of it says."""
        cycles = group.calendar.cycles[: self.grown[group.group_id][version - 1]]
        return replace(group, version=version, calendar=Calendar(cycles))


def workload(seed: int, accounts: int) -> Workload:
    """The workload of this seed: always the same one."""
    rng = Random(seed)  # noqa: S311 - no secret
    groups = tuple(_group(_FIRST_GROUP + number, rng) for number in range(_GROUPS))
    histories = tuple(_lives(accounts, groups, rng))
    refused = tuple(_refused(histories, rng))
    grown = {group.group_id: _grown(group, rng) for group in groups}
    return Workload(seed=seed, groups=groups, grown=grown, histories=histories, refused=refused)


def _group(group_id: int, rng: Random) -> TargetGroup:
    """Every other group has long cycles: there is room in them to leave and come back."""
    short = _drawn(PERIOD, rng.randint(2, 5), rng)
    long = [bytes((PERIOD[0] - 1, gap)) for gap in rng.choices(range(PERIOD[1]), k=3)]
    calendar = calendar_of(long if group_id % 2 else short)
    targets = [replace(target, target_id=group_id * 10 + number) for number, target in enumerate(TARGETS)]
    return group_of(group_id, calendar, *targets)


def _grown(group: TargetGroup, rng: Random) -> tuple[int, ...]:
    """Every third group is known in full from the beginning, the others grow once or twice."""
    total = len(group.calendar.cycles)
    times = 0 if not group.group_id % 3 else rng.randint(1, min(2, total - 1))
    return (*sorted(rng.sample(range(1, total), times)), total)


def _drawn(bases: tuple[int, ...], count: int, rng: Random) -> list[bytes]:
    return [rng.randbytes(len(bases)) for _ in range(count)]


def _lives(accounts: int, groups: tuple[TargetGroup, ...], rng: Random) -> Iterator[AccountHistory]:
    possible = [(group, target) for group in groups for target in group.targets.values()]
    customer_id = _FIRST_CUSTOMER
    while accounts > 0:
        for group, target in rng.sample(possible, min(accounts, _ACCOUNTS_OF_A_CUSTOMER)):
            yield _life(customer_id, group, target, rng=rng)
            accounts -= 1
        customer_id += 1


def _life(customer_id: int, group: TargetGroup, target: Target, *, rng: Random) -> AccountHistory:
    nobody = history_of(
        target,
        group.calendar,
        moves=_any_moves(rng) if rng.randrange(2) else _there_and_back(group.calendar, rng),
        rewards=_drawn(REWARD, rng.randint(0, _MOST_REWARDS), rng),
    )
    history = replace(nobody, customer_id=customer_id, group_id=group.group_id)
    own = [_own(event, history) for event in history.events]
    return replace(history, events=[*(_hurried(event, rng) for event in own), *_told_again(own, rng)])


def _any_moves(rng: Random) -> list[bytes]:
    return _drawn(MOVE, rng.randint(1, _MOST_MOVES), rng)


def _there_and_back(calendar: Calendar, rng: Random) -> list[bytes]:
    """In and out and in again, each time by another event: what pure chance does too seldom."""
    end = (calendar.cycles[-1].end - tick(0)) // timedelta(microseconds=1)
    instants = sorted(rng.choices(range(end + 2), k=rng.randint(2, 6)))
    return [
        bytes((rng.randrange(MOVE[0]), instant, number % 2, number, 0, rng.choice([0, 0, 0, 1, 2]), 0))
        for number, instant in enumerate(instants)
    ]


def _own(event: Event, history: AccountHistory) -> Event:
    """The event as one of this life. Its id sorts as before, and is like none of the customer's other account."""
    target_id = history.target.target_id
    key = EventId(f"{event.key.id} of {target_id}", event.key.source)
    own = replace(event, key=key, customer_id=history.customer_id, target_id=target_id)
    return own if isinstance(own, RewardIssued) else replace(own, group_id=history.group_id)


def _hurried(event: Event, rng: Random) -> Event:
    """Every third request takes effect at its own time, and then does not say when."""
    hurried = isinstance(event, UnenrollRequested) and not rng.randrange(3)
    return replace(event, time=event.effective_at) if hurried and isinstance(event, UnenrollRequested) else event


def _told_again(events: list[Event], rng: Random) -> Iterator[Event]:
    """Every fifth reward once more under another id, sometimes with another time at which it was paid."""
    for event in events:
        if isinstance(event, RewardEarned) and not rng.randrange(5):
            again = EventId(f"again {event.key.id}", event.key.source)
            yield replace(event, key=again, issued_at=rng.choice([event.issued_at, tick(98)]))


def _refused(histories: tuple[AccountHistory, ...], rng: Random) -> Iterator[UnenrollRequested]:
    for history in histories:
        leaves = [event for event in history.events if isinstance(event, UnenrollRequested)]
        if leaves and not rng.randrange(8):
            too_early = replace(leaves[0], time=leaves[0].effective_at - timedelta(microseconds=1))
            yield replace(too_early, key=EventId(f"refused {too_early.key.id}", too_early.key.source))
