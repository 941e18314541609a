"""What the process is doing right now, written by its event loop and read by whoever asks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from time import perf_counter, time
from typing import NamedTuple

GROUP = "the group"
"""Who waits for the group to say whose the lanes are."""


class LaneActivity(StrEnum):
    """What a lane does."""

    OPENING = "opening"
    READING = "reading"
    DECIDING = "deciding"
    PUBLISHING = "publishing"


class ProcessStage(StrEnum):
    """How far the process has come."""

    STARTING = "starting"
    WORKING = "working"
    STOPPING = "stopping"


class WaitReason(NamedTuple):
    """Why somebody waits, and since when."""

    why: str
    since: datetime


@dataclass(kw_only=True, slots=True, eq=False)
class LaneState:
    """One lane. `positions` are what it has published up to.

    `oldest_in_hand`: when the oldest record of its batch was appended, as Unix time. `ends` and `oldest_behind` are
    what Kafka said of its partitions when it was last asked.
    """

    doing: LaneActivity = LaneActivity.OPENING
    positions: Mapping[str, int] = field(default_factory=dict)
    oldest_in_hand: float | None = None
    ends: Mapping[str, int] = field(default_factory=dict)
    oldest_behind: float | None = None

    def turn_to(self, doing: LaneActivity) -> None:
        """It does something else from now on."""
        self.doing = doing

    def stand_at(self, positions: Iterable[tuple[str, int]]) -> None:
        """All before these offsets is published."""
        self.positions = dict(positions)
        self.oldest_in_hand = None
        self.oldest_behind = None

    @property
    def open(self) -> bool:
        """Whether it has found its place."""
        return self.doing is not LaneActivity.OPENING

    @property
    def lags(self) -> dict[str, int]:
        """How far it is behind each topic's end, as far as that is known."""
        return {
            topic: max(0, end - self.positions[topic]) for topic, end in self.ends.items() if topic in self.positions
        }

    @property
    def busy(self) -> bool:
        """Whether it has, or should have, something to do."""
        return self.doing is not LaneActivity.READING or any(self.lags.values())

    @property
    def oldest(self) -> float | None:
        """When the oldest record was appended that it has not done, as far as that is known."""
        known = [at for at in (self.oldest_in_hand, self.oldest_behind) if at is not None]
        return min(known, default=None)


@dataclass(kw_only=True, slots=True)
class ProcessState:
    """The whole process. `servers` has each server that is asked, and why it does not answer, None if it does.

    `beats` grows while the event loop turns. `given`: whether the group has said which lanes are ours, perhaps none.
    """

    stage: ProcessStage = ProcessStage.STARTING
    given: bool = False
    lanes: dict[int, LaneState] = field(default_factory=dict)
    waiting: dict[str, WaitReason] = field(default_factory=dict)
    servers: dict[str, WaitReason | None] = field(default_factory=dict)
    beats: int = 0
    progress_at: float = field(default_factory=time)
    still: Mapping[str, float] = field(default_factory=dict)
    pool: Callable[[], tuple[int, int, int]] = lambda: (0, 0, 0)
    """The pool's idle connections, all it has, and the most it may have."""

    def lane(self, number: int) -> LaneState:
        """The lane, which the group has just given to us."""
        found = self.lanes[number] = LaneState()
        return found

    def keep(self, lanes: Iterable[int]) -> None:
        """These are our lanes from now on, and no others."""
        kept = set(lanes)
        for gone in self.lanes.keys() - kept:
            del self.lanes[gone]
        self.given = True

    def give_back(self) -> None:
        """The group shares the lanes out anew."""
        self.lanes.clear()
        self.given = False

    def progress(self) -> None:
        """Something was published."""
        self.progress_at = time()

    def excuses(self, lane: int | None) -> Iterator[str]:
        """Why nobody can expect progress of the lane, or (None) of the group, in words."""
        who = GROUP if lane is None else f"lane {lane}"
        for name in {GROUP, who} & self.waiting.keys():
            yield told(name, self.waiting[name])
        for server, away in self.servers.items():
            if away is not None:
                yield told(server, away)


def told(who: str, waited: WaitReason) -> str:
    """A sentence without an end: who waits, since when, and why."""
    return f"{who}: {waited.why}, since {waited.since.astimezone(UTC).isoformat(timespec='seconds')}"


class StepTiming(NamedTuple):
    """A step, and when it began and ended by `time.perf_counter`."""

    step: str
    began: float
    ended: float


@dataclass(kw_only=True, slots=True)
class StepTimer:
    """Steps, one after the other."""

    _began: float = field(default_factory=perf_counter)
    _all: list[StepTiming] = field(default_factory=list)

    def end(self, step: str) -> None:
        """The step ends here, and the next one begins."""
        now = perf_counter()
        self._all.append(StepTiming(step, self._began, now))
        self._began = now

    def all(self) -> tuple[StepTiming, ...]:
        """Those that have ended."""
        return tuple(self._all)
