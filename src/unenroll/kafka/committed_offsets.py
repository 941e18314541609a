"""Decides where a lane resumes, by comparing the committed offsets in Kafka with the lane's row in Postgres. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unenroll.errors import DataLossError

_METADATA = re.compile(r"unenroll/1 (?:topic=(?P<topic_id>\S+) )?sequence=(?P<sequence>[0-9]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class CommittedOffset:
    """The committed offset of one partition, and its metadata."""

    offset: int
    metadata: str

    @property
    def sequence(self) -> int | None:
        """The number of the lane's last published decision; None if somebody else committed the offset."""
        found = _METADATA.fullmatch(self.metadata)
        return None if found is None else int(found["sequence"])

    def may_belong_to(self, topic_id: str | None) -> bool:
        """Return False if the offset belongs to a deleted topic of the same name, which had another id."""
        found = _METADATA.fullmatch(self.metadata)
        committed_id = found and found["topic_id"]
        return not committed_id or topic_id is None or committed_id == topic_id


def metadata(sequence: int, topic_id: str | None = None) -> str:
    """Return the metadata of a committed offset: the lane's last published number and the id of the topic."""
    topic = "" if topic_id is None else f"topic={topic_id} "
    return f"unenroll/1 {topic}sequence={sequence}"


def last_published(recorded: int, committed: Iterable[CommittedOffset | None]) -> int:
    """Return the lane's last published number: the one of its row, or of the offset metadata if that is higher."""
    return max([recorded, *(place.sequence or 0 for place in committed if place is not None)])


@dataclass(frozen=True, kw_only=True, slots=True)
class ResumePoint:
    """What a worker does when it opens a lane: publish the decisions above a number, and read from these offsets."""

    publish_above: int
    read_from: dict[str, int | None]  # by topic; None: the group never read the partition


def resume_point(
    *,
    sequence: int,
    published: int,
    decided: Mapping[str, int],
    committed: Mapping[str, CommittedOffset | None],
    topic_ids: Mapping[str, str] = MappingProxyType({}),
) -> ResumePoint:
    """Return where the lane resumes, by the table in docs/guarantees.md. The mappings are by topic.

    `sequence` and `published` are the lane's last decided and last published numbers in Postgres. An offset of a
    deleted topic of the same name counts as none. Raises DataLossError if Kafka is ahead of Postgres.
    """
    current = {
        topic: place if place and place.may_belong_to(topic_ids.get(topic)) else None
        for topic, place in committed.items()
    }
    publish_above = last_published(published, committed.values())
    if publish_above > sequence:
        raise DataLossError(
            f"Kafka has published decision {publish_above} of the lane, but Postgres has decided only up to "
            f"{sequence}: the database is older than the topics (a restored backup?), so new decisions could "
            "contradict published ones. If there is no newer backup, run `unenroll offsets set --to decided`"
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
            "Find out which, then run `unenroll offsets set`"
        )
    is_our_commit = committed.sequence is not None  # so a worker stopped between its two commits
    return decided if is_our_commit else committed.offset


def lost_offsets(topic: str, partition: int, *, offset: int, first: int, end: int) -> DataLossError | None:
    """Return the error of a lane that resumes at an offset outside `first` to `end`, or None if it is inside."""
    if first <= offset <= end:
        return None
    return DataLossError(
        f"{topic}, partition {partition}: the lane must read from offset {offset}, but the topic has only "
        f"{first} to {end}: records are lost. Find out which, then run `unenroll offsets set`"
    )
