"""One worker gets partition n of every topic."""

from itertools import chain

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from unenroll.kafka.assignor import NumberAssignor


class TwoTopics:
    """Cluster metadata with two topics."""

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {"requests": set(range(4)), "facts": set(range(6))}.get(topic)


def assigned(members: int) -> dict[str, ConsumerProtocolMemberAssignment]:
    metadata = {f"member-{number}": NumberAssignor().metadata(["requests", "facts"]) for number in range(members)}
    return NumberAssignor.assign(TwoTopics(), metadata)


@pytest.mark.parametrize("members", [1, 2, 3, 6, 7])
def test_every_number_has_one_owner_for_all_topics(members: int) -> None:
    owners: dict[int, set[str]] = {}
    for member, assignment in assigned(members).items():
        for number in chain.from_iterable(numbers for _, numbers in assignment.assignment):
            owners.setdefault(number, set()).add(member)
    assert sorted(owners) == list(range(6))
    assert {len(names) for names in owners.values()} == {1}


@pytest.mark.parametrize("members", [1, 2, 3, 6, 7])
def test_every_partition_is_assigned_once(members: int) -> None:
    places = [
        (topic, number)
        for assignment in assigned(members).values()
        for topic, numbers in assignment.assignment
        for number in numbers
    ]
    assert sorted(places) == [("facts", number) for number in range(6)] + [("requests", number) for number in range(4)]
