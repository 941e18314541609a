"""What two looks tell together: how it stands, and how fast it moves. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from unenroll.status.partitions import PartitionTold
from unenroll.status.progress import LaneTold, Progress
from unenroll.store.overview import RefusalTold
from unenroll.store.totals import BuriedTold, DefinitionsInShort, Totals


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What the looks found so far: the last progress and totals and those before them, None where there were none.

    `trouble`: why what was asked last has no answer, a sentence for each server.
    """

    at: datetime
    topic_prefix: str
    group_id: str
    before: Progress | None = None
    now: Progress | None = None
    counted_before: Totals | None = None
    counted: Totals | None = None
    trouble: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneView:
    """A lane. `lag` counts offsets, so also markers of transactions; `gone`: offsets that were never processed.

    `age_seconds` is how old its oldest unprocessed record is. Rates are None where there is nothing to compare with.
    """

    lane: int
    owner: str | None
    epoch: int
    lag: int
    gone: int
    age_seconds: float | None
    decided: int
    published: int
    records_per_second: float | None
    decisions_per_second: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CountView:
    """How many there are of something in the whole database, and how many came a second."""

    what: str
    count: int
    per_second: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """All that is shown of one moment. `found_at` and `counted_at` say how old it is, if servers do not answer.

    `group_state` is what Kafka calls the group's. Rates of counts are between the last two times that they were
    counted, which is seldom where that takes long.
    """

    at: datetime
    topic_prefix: str
    group_id: str
    trouble: tuple[str, ...]
    found_at: datetime | None
    group_state: str | None
    members: int | None
    lanes: tuple[LaneView, ...]
    counted_at: datetime | None
    requests: tuple[CountView, ...]
    facts: tuple[CountView, ...]
    dead_letters: tuple[CountView, ...]
    latest_dead_letters: tuple[BuriedTold, ...]
    definitions: DefinitionsInShort | None
    latest_refusals: tuple[RefusalTold, ...]
    settlements_due: int | None


def view(seen: Seen) -> View:
    """What is to be shown of all that was seen."""
    now, counted, before = seen.now, seen.counted, seen.counted_before
    seconds = _seconds(before.at, counted.at) if before and counted else None
    return View(
        at=seen.at,
        topic_prefix=seen.topic_prefix,
        group_id=seen.group_id,
        trouble=seen.trouble,
        found_at=now.at if now else None,
        group_state=now.state if now else None,
        members=now.members if now else None,
        lanes=tuple(_lanes(now, seen.before)) if now else (),
        counted_at=counted.at if counted else None,
        requests=_counts(counted.requests if counted else {}, before.requests if before else {}, seconds),
        facts=_counts(counted.facts if counted else {}, before.facts if before else {}, seconds),
        dead_letters=_counts(counted.dead_letters if counted else {}, before.dead_letters if before else {}, seconds),
        latest_dead_letters=counted.latest_dead_letters if counted else (),
        definitions=counted.definitions if counted else None,
        latest_refusals=counted.latest_refusals if counted else (),
        settlements_due=counted.settlements_due if counted else None,
    )


def _lanes(now: Progress, before: Progress | None) -> Iterator[LaneView]:
    seconds = _seconds(before.at, now.at) if before else None
    decided = {lane.lane: lane.sequence for lane in before.lanes} if before else {}
    read = _read(before.partitions) if before else {}
    for lane in now.lanes:
        own = [one for one in now.partitions if one.partition == lane.lane]
        yield _lane(
            lane,
            own,
            records=_rate(read.get(lane.lane), _read(own).get(lane.lane, 0), seconds),
            decisions=_rate(decided.get(lane.lane), lane.sequence, seconds),
        )


def _lane(lane: LaneTold, own: list[PartitionTold], *, records: float | None, decisions: float | None) -> LaneView:
    ages = [one.age_seconds for one in own if one.age_seconds is not None]
    return LaneView(
        lane=lane.lane,
        owner=lane.owner,
        epoch=lane.epoch,
        lag=sum(one.lag for one in own),
        gone=sum(one.gone for one in own),
        age_seconds=max(ages, default=None),
        decided=lane.sequence,
        published=lane.published,
        records_per_second=records,
        decisions_per_second=decisions,
    )


def _read(partitions: list[PartitionTold] | tuple[PartitionTold, ...]) -> dict[int, int]:
    """How far each lane has read in all its topics."""
    found: dict[int, int] = {}
    for one in partitions:
        position = one.committed if one.committed is not None else one.decided or 0
        found[one.partition] = found.get(one.partition, 0) + position
    return found


def _counts(now: Mapping[str, int], before: Mapping[str, int], seconds: float | None) -> tuple[CountView, ...]:
    return tuple(
        CountView(what=what, count=count, per_second=_rate(before.get(what, 0), count, seconds))
        for what, count in now.items()
    )


def _rate(before: int | None, now: int, seconds: float | None) -> float | None:
    """So many a second. None where nothing can be said: offsets were set back, or the ledger was pruned."""
    if before is None or seconds is None or now < before:
        return None
    return round((now - before) / seconds, 3)


def _seconds(before: datetime, now: datetime) -> float | None:
    passed = (now - before).total_seconds()
    return passed if passed > 0 else None
