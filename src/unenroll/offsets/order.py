"""Where offsets are to be set, and what was set."""

from dataclasses import dataclass

from unenroll.offsets.target import Chosen, Target


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetChangeOptions:
    """Where offsets are to be set, by whom and why. `skip`: even where records are left out that nobody decided."""

    chosen: Chosen
    target: Target
    by: str
    why: str
    skip: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaceSet:
    """One partition's offset, before and now. `skipped`: so many offsets behind the last decided one are left out."""

    topic: str
    partition: int
    before: int | None
    offset: int
    skipped: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetsSet:
    """What was set, or of a dry run would be. `move_id` is the number of the trace that is kept, None of a dry run."""

    dry_run: bool
    move_id: int | None
    places: tuple[PlaceSet, ...]
