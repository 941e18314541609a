"""Partition n of every topic lies with one worker."""

from itertools import chain

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from unenroll.stream.assignor import NumberAssignor


class TwoTopics:
    """What the assignor asks of the cluster's metadata."""

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {"requests": set(range(4)), "facts": set(range(6))}.get(topic)


def numbers(assignment: ConsumerProtocolMemberAssignment) -> set[int]:
    return {*chain.from_iterable(numbers for _, numbers in assignment.assignment)}


def shared(*most: int | None) -> tuple[list[set[int]], list[tuple[int, ...]]]:
    """The numbers of members with these budgets, and what each of them is told is left to nobody."""
    metadata = {
        f"member-{one}": NumberAssignor(limit).metadata(["requests", "facts"]) for one, limit in enumerate(most)
    }
    told: list[tuple[int, ...]] = []
    found = NumberAssignor.assign(TwoTopics(), metadata)
    for member in sorted(found):
        NumberAssignor(None, told.append).on_assignment(found[member])
    return [numbers(found[member]) for member in sorted(found)], told


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
    assert all(len(who) == 1 for who in owners.values())


@pytest.mark.parametrize("members", [1, 2, 3, 6, 7])
def test_every_partition_is_assigned_once(members: int) -> None:
    places = [
        (topic, number)
        for assignment in assigned(members).values()
        for topic, numbers in assignment.assignment
        for number in numbers
    ]
    assert sorted(places) == [("facts", number) for number in range(6)] + [("requests", number) for number in range(4)]


def test_nobody_gets_more_than_it_may_and_all_hear_what_is_left() -> None:
    assert shared(2, 1) == ([{0, 2}, {1}], [(3, 4, 5), (3, 4, 5)])


def test_who_has_room_takes_what_others_may_not() -> None:
    assert shared(1, None) == ([{0}, {1, 2, 3, 4, 5}], [(), ()])
    assert shared(2, 4) == ([{0, 2}, {1, 3, 4, 5}], [(), ()])


def test_a_member_of_a_version_that_knows_no_budgets_takes_any_number() -> None:
    old = ConsumerProtocolMemberMetadata(0, ["requests", "facts"], b"")
    found = NumberAssignor.assign(TwoTopics(), {"a": old, "b": NumberAssignor(1).metadata(["requests", "facts"])})
    assert [numbers(found[member]) for member in "ab"] == [{0, 2, 3, 4, 5}, {1}]
