"""How a group's offsets stand, as it is told to people and programs."""

from dataclasses import dataclass

from unenroll.store.moves import Move


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionStanding:
    """One partition. `sequence` is the number that is committed beside the offset, `metadata` what else may be there.

    `goes_on_at` is where a lane would read on, None where `refused` says why it would not, or where nothing was ever
    read. `remark`: what else there is to know.
    """

    topic: str
    topic_id: str
    partition: int
    committed: int | None
    sequence: int | None
    metadata: str
    decided: int | None
    first: int
    end: int
    goes_on_at: int | None
    refused: str | None
    remark: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneStanding:
    """A lane: its decisions, and the last one that is surely published. `gone`: no topic has its partition any more."""

    lane: int
    epoch: int
    sequence: int
    published: int
    gone: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A group's offsets. `members` are the client ids of who is in it, `moves` what people have set, latest first."""

    topic_prefix: str
    group_id: str
    members: tuple[str, ...]
    partitions: tuple[PartitionStanding, ...]
    lanes: tuple[LaneStanding, ...]
    moves: tuple[Move, ...]
