"""Hands out partition numbers: partition n of every input topic lies with one worker."""

from collections.abc import Iterable, Mapping

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

_VERSION = 0


class NumberAssignor(AbstractPartitionAssignor):  # type: ignore[misc] # the client carries no types
    """Deals the partition numbers round to the members, in the order of their ids."""

    name = "unenroll-numbers"

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Every member's topics and partitions. All members subscribe to the same topics."""
        topics = sorted({topic for metadata in members.values() for topic in metadata.subscription})
        numbers = {topic: cluster.partitions_for_topic(topic) or set() for topic in topics}
        every = sorted(set().union(*numbers.values()))
        turn = sorted(members)
        return {
            member: ConsumerProtocolMemberAssignment(
                _VERSION, _owned(numbers, frozenset(every[position :: len(turn)])), b""
            )
            for position, member in enumerate(turn)
        }

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What a member says of itself when it joins."""
        return ConsumerProtocolMemberMetadata(_VERSION, sorted(topics), b"")

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing to remember."""


def _owned(numbers: Mapping[str, set[int]], mine: frozenset[int]) -> list[tuple[str, list[int]]]:
    shares = ((topic, sorted(partitions & mine)) for topic, partitions in numbers.items())
    return [(topic, partitions) for topic, partitions in shares if partitions]
