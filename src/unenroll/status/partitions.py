"""How far the group is in each partition of the input topics. Pure."""

from dataclasses import dataclass
from datetime import datetime

from unenroll.settings import Start


@dataclass(frozen=True, kw_only=True, slots=True)
class Offsets:
    """What is known of one partition: None where the group never committed, or no lane ever decided."""

    topic: str
    partition: int
    committed: int | None
    decided: int | None
    first: int
    end: int

    def goes_on_at(self, start: Start) -> int:
        """The first offset that was not processed. `start` counts where nothing was ever read."""
        for known in (self.committed, self.decided):
            if known is not None:
                return known
        return self.end if start is Start.LATEST else self.first


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionTold:
    """One partition of an input topic. `lag` counts offsets, so also the markers of transactions.

    `end` is behind the last record that a read_committed reader sees. `oldest` is the time that the oldest
    unprocessed record carries, `age_seconds` how long ago that is; None where there is no such record, although `lag`
    may count markers. `gone`: how many offsets the topic no longer holds that were not processed.
    """

    topic: str
    partition: int
    committed: int | None
    decided: int | None
    end: int
    lag: int
    gone: int
    oldest: datetime | None
    age_seconds: float | None


def partition_told(offsets: Offsets, *, start: Start, oldest: datetime | None, now: datetime) -> PartitionTold:
    """The partition as of now. A record from a clock that is ahead of ours has the age 0."""
    goes_on_at = offsets.goes_on_at(start)
    return PartitionTold(
        topic=offsets.topic,
        partition=offsets.partition,
        committed=offsets.committed,
        decided=offsets.decided,
        end=offsets.end,
        lag=max(0, offsets.end - max(goes_on_at, offsets.first)),
        gone=max(0, offsets.first - goes_on_at),
        oldest=oldest,
        age_seconds=None if oldest is None else max(0.0, round((now - oldest).total_seconds(), 3)),
    )
