"""Where a lane resumes: the table of docs/guarantees.md, row by row."""

import pytest

from unenroll.errors import DataLossError
from unenroll.kafka.committed_offsets import CommittedOffset, metadata, resume_point

TOPIC = "unenroll.requests"


def ours(offset: int, sequence: int) -> CommittedOffset:
    return CommittedOffset(offset=offset, metadata=metadata(sequence))


def foreign(offset: int, metadata: str = "") -> CommittedOffset:
    return CommittedOffset(offset=offset, metadata=metadata)


@pytest.mark.parametrize(
    ("case", "sequence", "published", "decided", "committed", "publish_above", "read_from"),
    [
        ("clean", 7, 7, 100, ours(100, 7), 7, 100),
        ("a crash between the two commits", 9, 7, 100, ours(80, 7), 7, 100),
        ("the same, and the row does not have the last published number", 9, 5, 100, ours(80, 7), 7, 100),
        ("a batch of duplicates, which moves only the row", 7, 7, 100, ours(80, 7), 7, 100),
        ("somebody reset the offsets", 9, 9, 100, foreign(0), 9, 0),
        ("somebody reset the offsets after a crash", 9, 7, 100, foreign(0, "by hand"), 7, 0),
        ("the group expired", 9, 8, 100, None, 8, 100),
        ("the group never read the topic", 0, 0, None, None, 0, None),
        ("somebody chose the start of a new group", 0, 0, None, foreign(50), 0, 50),
    ],
)
def test_a_lane_reads_after_the_last_decision_and_publishes_what_is_not_published(
    case: str,
    sequence: int,
    published: int,
    decided: int | None,
    committed: CommittedOffset | None,
    publish_above: int,
    read_from: int | None,
) -> None:
    plan = resume_point(
        sequence=sequence,
        published=published,
        decided={} if decided is None else {TOPIC: decided},
        committed={TOPIC: committed},
    )
    assert (plan.publish_above, plan.read_from) == (publish_above, {TOPIC: read_from}), case


@pytest.mark.parametrize(
    ("sequence", "decided", "committed", "message"),
    [
        (9, 100, ours(120, 9), "committed offset 120"),
        (9, 100, foreign(120), "committed offset 120"),
        (7, 100, ours(90, 9), "published decision 9"),
        (0, None, ours(90, 9), "published decision 9"),
    ],
)
def test_a_lane_stops_where_kafka_is_ahead_of_postgres(
    sequence: int, decided: int | None, committed: CommittedOffset, message: str
) -> None:
    with pytest.raises(DataLossError, match=message):
        resume_point(
            sequence=sequence,
            published=0,
            decided={} if decided is None else {TOPIC: decided},
            committed={TOPIC: committed},
        )


@pytest.mark.parametrize(
    "text", ["", "unenroll/1 sequence=", "unenroll/1 sequence=x", "sequence=4", "unenroll/1 sequence=-4"]
)
def test_only_our_own_metadata_has_a_sequence(text: str) -> None:
    assert foreign(1, text).sequence is None


def test_metadata_keeps_the_sequence() -> None:
    assert CommittedOffset(offset=1, metadata=metadata(2**62)).sequence == 2**62
