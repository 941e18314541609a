"""Hands out partition numbers: partition n of every input topic lies with one worker, and none has more than it may."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import cycle

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from unenroll.lane_numbers import numbers_text, read_numbers

_VERSION = 0
_MOST = re.compile(rb"most=(\d{1,9})")
_LEFT = re.compile(rb"left=([0-9,-]+)")


class NumberAssignor(AbstractPartitionAssignor):  # type: ignore[misc] # the client carries no types
    """Deals the partition numbers round to the members, in the order of their ids, while they have room.

    `most`: how many this member takes; None: any number. What nobody has room for is left to nobody, and every member
    is told which: `tell_left` is called with it at each assignment. Members say `most` in what they say of themselves,
    so those of a version that did not know of it take any number.
    """

    name = "unenroll-numbers"

    def __init__(self, most: int | None = None, tell_left: Callable[[tuple[int, ...]], None] = lambda _: None) -> None:
        self._most = most
        self._tell_left = tell_left

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Every member's topics and partitions. All members subscribe to the same topics."""
        topics = sorted({topic for metadata in members.values() for topic in metadata.subscription})
        numbers = {topic: cluster.partitions_for_topic(topic) or set() for topic in topics}
        every = sorted(set().union(*numbers.values()))
        dealt = _dealt(every, {member: _most(members[member]) for member in sorted(members)})
        left = sorted(set(every).difference(*dealt.values()))
        said = f"left={numbers_text(left)}".encode() if left else b""
        return {
            member: ConsumerProtocolMemberAssignment(_VERSION, _owned(numbers, frozenset(mine)), said)
            for member, mine in dealt.items()
        }

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What a member says of itself when it joins."""
        said = b"" if self._most is None else b"most=%d" % self._most
        return ConsumerProtocolMemberMetadata(_VERSION, sorted(topics), said)

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Tell what was left to nobody."""
        found = _LEFT.fullmatch(assignment.user_data or b"")
        self._tell_left(read_numbers(found[1].decode()) if found else ())


def _dealt(every: Iterable[int], most: Mapping[str, int | None]) -> dict[str, list[int]]:
    """Each member's numbers: one after the other gets the next one, as long as anybody has room."""
    dealt: dict[str, list[int]] = {member: [] for member in most}
    turn = _turns(dealt, most)
    for number in every:
        member = next(turn, None)
        if member is None:
            break
        dealt[member].append(number)
    return dealt


def _turns(dealt: Mapping[str, list[int]], most: Mapping[str, int | None]) -> Iterator[str]:
    room = {member: limit for member, limit in most.items() if limit is not None}
    full: set[str] = set()
    for member in cycle(dealt):
        if member not in full and len(dealt[member]) < room.get(member, len(dealt[member]) + 1):
            yield member
        else:
            full.add(member)
            if len(full) == len(dealt):
                return


def _most(metadata: ConsumerProtocolMemberMetadata) -> int | None:
    found = _MOST.fullmatch(metadata.user_data or b"")
    return int(found[1]) if found else None


def _owned(numbers: Mapping[str, set[int]], mine: frozenset[int]) -> list[tuple[str, list[int]]]:
    shares = ((topic, sorted(partitions & mine)) for topic, partitions in numbers.items())
    return [(topic, partitions) for topic, partitions in shares if partitions]
