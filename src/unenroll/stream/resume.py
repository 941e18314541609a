"""Where a lane goes on: what Kafka has committed held against what Postgres has decided. Pure."""

from dataclasses import dataclass

from unenroll.errors import DataLossError

_MARK = "unenroll/1 sequence="


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """What Kafka has for one partition: the offset, and what was written beside it."""

    offset: int
    metadata: str

    @property
    def sequence(self) -> int | None:
        """The lane's last published number, or None where somebody else wrote the offset."""
        number = self.metadata.removeprefix(_MARK)
        return int(number) if number != self.metadata and number.isdecimal() else None


def metadata(sequence: int) -> str:
    """What is written beside an offset: the lane's last published number."""
    return f"{_MARK}{sequence}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Resume:
    """What opening a lane has to do: publish what was decided above a number, and read from these offsets."""

    publish_above: int
    read_from: dict[str, int | None]  # by topic; None: the partition was never read


def resume(*, sequence: int, published: int, decided: dict[str, int], committed: dict[str, Committed | None]) -> Resume:
    """How to go on, by the table in docs/architecture.md. `decided` and `committed` are by topic.

    Raises DataLossError where Kafka is ahead of Postgres.
    """
    read_from = {topic: _start(topic, decided.get(topic), place) for topic, place in committed.items()}
    told = [place.sequence for place in committed.values() if place is not None and place.sequence is not None]
    last_published = max([published, *told])
    if last_published > sequence:
        raise DataLossError(
            f"Kafka has published decision {last_published} of the lane, but Postgres knows only {sequence}: "
            "the database is older than the topics (a restored backup?), and deciding again could contradict them"
        )
    return Resume(publish_above=last_published, read_from=read_from)


def _start(topic: str, decided: int | None, committed: Committed | None) -> int | None:
    if committed is None:
        return decided
    if decided is None:
        return committed.offset
    if committed.offset > decided:
        raise DataLossError(
            f"{topic}: Kafka has committed offset {committed.offset}, but Postgres has decided only up to {decided}: "
            "the database is older than the topics (a restored backup?), or somebody moved the offset forward"
        )
    crashed_between_the_commits = committed.sequence is not None
    return decided if crashed_between_the_commits else committed.offset
