"""What the process and its lanes do right now: the event loop writes it; health, metrics and the watchdog read it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from time import time
from typing import NamedTuple

GROUP = "the group"
"""The name of the wait for the consumer group, beside the names of lanes."""


def lane_name(number: int) -> str:
    """The name of the lane in waits, tasks and health reports."""
    return f"lane {number}"


class LaneActivity(StrEnum):
    """What a lane does."""

    OPENING = "opening"
    READING = "reading"
    DECIDING = "deciding"
    PUBLISHING = "publishing"


class ProcessStage(StrEnum):
    """The stage of the process."""

    STARTING = "starting"
    WORKING = "working"
    STOPPING = "stopping"


class WaitReason(NamedTuple):
    """Why something waits, and since when."""

    why: str
    since: datetime


@dataclass(kw_only=True, slots=True, eq=False)
class LaneState:
    """The state of one lane.

    `positions` are the published offsets by topic. `ends` are the end offsets at the last look, and `withheld` the
    numbers of records behind them that a transaction withholds. `oldest_in_batch` and
    `oldest_waiting` are the times, as Unix time, when the oldest record was appended: of the batch, and of the records
    that the lane has not read. `unread_since` is the time, by `time.monotonic`, since when the lane waits for records
    and gets none of those that its partitions have.
    """

    activity: LaneActivity = LaneActivity.OPENING
    positions: Mapping[str, int] = field(default_factory=dict)
    ends: Mapping[str, int] = field(default_factory=dict)
    withheld: Mapping[str, int] = field(default_factory=dict)
    unread_since: float | None = None
    oldest_in_batch: float | None = None
    oldest_waiting: float | None = None

    def published_up_to(self, positions: Iterable[tuple[str, int]]) -> None:
        """Everything before these offsets is published."""
        self.positions = dict(positions)
        self.oldest_in_batch = None
        self.oldest_waiting = None

    @property
    def open(self) -> bool:
        """Whether the lane was opened."""
        return self.activity is not LaneActivity.OPENING

    @property
    def lags(self) -> dict[str, int]:
        """The number of offsets between the position and the end, by topic, where both are known."""
        return {
            topic: max(0, end - self.positions[topic]) for topic, end in self.ends.items() if topic in self.positions
        }

    @property
    def busy(self) -> bool:
        """Whether the lane has a batch, is opening, or has records to read."""
        return self.activity is not LaneActivity.READING or any(self.lags.values())

    @property
    def oldest(self) -> float | None:
        """When the oldest unprocessed record was appended, as Unix time. None if there is none or it is not known."""
        times = [appended for appended in (self.oldest_in_batch, self.oldest_waiting) if appended is not None]
        return min(times, default=None)


@dataclass(kw_only=True, slots=True)
class ProcessState:
    """The state of the whole process.

    `lanes_assigned` says whether the group has assigned lanes, perhaps none. `waiting` has what waits by name.
    `servers` has for each server why it does not answer, None if it does. `beats` grows while the event loop turns.
    `stalled` has what makes no progress by name, and for how many seconds. `pool_sizes` returns the number of idle
    connections, of all connections, and their maximum. `largest_account` has the facts of the largest account that
    changed since the start, as a share of the maximum.
    """

    stage: ProcessStage = ProcessStage.STARTING
    lanes_assigned: bool = False
    lanes: dict[int, LaneState] = field(default_factory=dict)
    waiting: dict[str, WaitReason] = field(default_factory=dict)
    servers: dict[str, WaitReason | None] = field(default_factory=dict)
    beats: int = 0
    progress_at: float = field(default_factory=time)
    stalled: Mapping[str, float] = field(default_factory=dict)
    pool_sizes: Callable[[], tuple[int, int, int]] = lambda: (0, 0, 0)
    largest_account: float = 0.0

    def add_lane(self, number: int) -> LaneState:
        """The state of a lane that opens now."""
        lane = self.lanes[number] = LaneState()
        return lane

    def assign_lanes(self, numbers: Iterable[int]) -> None:
        """The group has assigned these lanes and no others."""
        for number in self.lanes.keys() - set(numbers):
            del self.lanes[number]
        self.lanes_assigned = True

    def revoke_lanes(self) -> None:
        """The group has revoked all lanes."""
        self.lanes.clear()
        self.lanes_assigned = False

    def record_progress(self) -> None:
        """The worker has published a batch just now."""
        self.progress_at = time()

    @property
    def servers_answer(self) -> bool:
        """Whether the last check of each server succeeded."""
        return all(outage is None for outage in self.servers.values())


def describe_wait(name: str, reason: WaitReason) -> str:
    """What waits, why and since when, in words."""
    return f"{name}: {reason.why}, since {reason.since.astimezone(UTC).isoformat(timespec='seconds')}"


class StepTiming(NamedTuple):
    """A step of a batch, with its begin and end by `time.perf_counter`."""

    step: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long the step took."""
        return self.ended - self.began
