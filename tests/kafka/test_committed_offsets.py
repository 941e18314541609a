"""Where a lane goes on: the table of docs/guarantees.md, row by row."""

import pytest

from unenroll.errors import DataLossError
from unenroll.kafka.committed_offsets import CommittedOffset, metadata, resume_point

TOPIC = "unenroll.requests"


def ours(offset: int, sequence: int) -> CommittedOffset:
    return CommittedOffset(offset=offset, metadata=metadata(sequence))


def foreign(offset: int, said: str = "") -> CommittedOffset:
    return CommittedOffset(offset=offset, metadata=said)


@pytest.mark.parametrize(
    ("found", "sequence", "published", "decided", "committed", "publish_above", "read_from"),
    [
        ("clean", 7, 7, 100, ours(100, 7), 7, 100),
        ("a crash between the two commits", 9, 7, 100, ours(80, 7), 7, 100),
        ("the same, and the row had not learned what was published", 9, 5, 100, ours(80, 7), 7, 100),
        ("a batch of duplicates moved the row alone", 7, 7, 100, ours(80, 7), 7, 100),
        ("somebody reset the offsets", 9, 9, 100, foreign(0), 9, 0),
        ("somebody reset the offsets after a crash", 9, 7, 100, foreign(0, "by hand"), 7, 0),
        ("the group expired", 9, 8, 100, None, 8, 100),
        ("nothing was ever read", 0, 0, None, None, 0, None),
        ("somebody chose where a new group begins", 0, 0, None, foreign(50), 0, 50),
    ],
)
def test_a_lane_goes_on_where_it_has_decided_and_publishes_what_it_has_not(
    found: str,
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
    assert (plan.publish_above, plan.read_from) == (publish_above, {TOPIC: read_from}), found


@pytest.mark.parametrize(
    ("sequence", "decided", "committed", "says"),
    [
        (9, 100, ours(120, 9), "committed offset 120"),
        (9, 100, foreign(120), "committed offset 120"),
        (7, 100, ours(90, 9), "published decision 9"),
        (0, None, ours(90, 9), "published decision 9"),
    ],
)
def test_a_lane_stops_where_kafka_is_ahead_of_postgres(
    sequence: int, decided: int | None, committed: CommittedOffset, says: str
) -> None:
    with pytest.raises(DataLossError, match=says):
        resume_point(
            sequence=sequence,
            published=0,
            decided={} if decided is None else {TOPIC: decided},
            committed={TOPIC: committed},
        )


@pytest.mark.parametrize(
    "said", ["", "unenroll/1 sequence=", "unenroll/1 sequence=x", "sequence=4", "unenroll/1 sequence=-4"]
)
def test_only_our_own_metadata_tells_a_sequence(said: str) -> None:
    assert foreign(1, said).sequence is None


def test_metadata_tells_its_sequence_again() -> None:
    assert CommittedOffset(offset=1, metadata=metadata(2**62)).sequence == 2**62
