"""Where a lane goes on: what Kafka has committed held against what Postgres has decided. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unenroll.errors import DataLossError

_MARK = re.compile(r"unenroll/1 (?:topic=(?P<topic_id>\S+) )?sequence=(?P<sequence>[0-9]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class CommittedOffset:
    """What Kafka has for one partition: the offset, and what was written beside it."""

    offset: int
    metadata: str

    @property
    def sequence(self) -> int | None:
        """The lane's last published number, or None where somebody else wrote the offset."""
        found = _MARK.fullmatch(self.metadata)
        return None if found is None else int(found["sequence"])

    def is_of(self, topic_id: str | None) -> bool:
        """Whether the offset may be one of this topic, and surely not of one that had its name before."""
        found = _MARK.fullmatch(self.metadata)
        told = found and found["topic_id"]
        return not told or topic_id is None or told == topic_id


def metadata(sequence: int, topic_id: str | None = None) -> str:
    """What is written beside an offset: the lane's last published number, and which topic it is an offset of."""
    topic = "" if topic_id is None else f"topic={topic_id} "
    return f"unenroll/1 {topic}sequence={sequence}"


def last_published(noted: int, committed: Iterable[CommittedOffset | None]) -> int:
    """The lane's last published number: as its row has it, or Kafka beside the offsets, whichever knows more."""
    return max([noted, *(place.sequence or 0 for place in committed if place is not None)])


@dataclass(frozen=True, kw_only=True, slots=True)
class ResumePoint:
    """What opening a lane has to do: publish what was decided above a number, and read from these offsets."""

    publish_above: int
    read_from: dict[str, int | None]  # by topic; None: the partition was never read


def resume_point(
    *,
    sequence: int,
    published: int,
    decided: Mapping[str, int],
    committed: Mapping[str, CommittedOffset | None],
    topic_ids: Mapping[str, str] = MappingProxyType({}),
) -> ResumePoint:
    """How to go on, by the table in docs/guarantees.md. `decided`, `committed` and `topic_ids` are by topic.

    An offset that was committed for a topic of the same name that was deleted since says nothing of the new one.
    Raises DataLossError where Kafka is ahead of Postgres.
    """
    current = {
        topic: place if place is None or place.is_of(topic_ids.get(topic)) else None
        for topic, place in committed.items()
    }
    publish_above = last_published(published, committed.values())
    if publish_above > sequence:
        raise DataLossError(
            f"Kafka has published decision {publish_above} of the lane, but Postgres knows only {sequence}: "
            "the database is older than the topics (a restored backup?), and deciding again could contradict them. "
            "Once nobody else can be asked: `unenroll offsets set --to decided`"
        )
    read_from = {topic: _start(topic, decided.get(topic), place) for topic, place in current.items()}
    return ResumePoint(publish_above=publish_above, read_from=read_from)


def _start(topic: str, decided: int | None, committed: CommittedOffset | None) -> int | None:
    if committed is None:
        return decided
    if decided is None:
        return committed.offset
    if committed.offset > decided:
        raise DataLossError(
            f"{topic}: Kafka has committed offset {committed.offset}, but Postgres has decided only up to {decided}: "
            "the database is older than the topics (a restored backup?), or somebody moved the offset forward. "
            "Once that is understood: `unenroll offsets set`"
        )
    crashed_between_the_commits = committed.sequence is not None
    return decided if crashed_between_the_commits else committed.offset


def lost_offsets(topic: str, partition: int, *, offset: int, first: int, end: int) -> DataLossError | None:
    """Why a lane cannot go on at the offset, if the topic does not hold it any more, or not yet."""
    if first <= offset <= end:
        return None
    return DataLossError(
        f"{topic}, partition {partition}: the lane goes on at offset {offset}, but the topic holds only "
        f"{first} to {end}; records are lost, and going on would skip them in silence. Once somebody knows what was "
        "lost: `unenroll offsets set`"
    )
