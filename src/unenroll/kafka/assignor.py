"""Assigns partition numbers to workers: one worker gets partition n of every input topic."""

from collections.abc import Iterable, Mapping

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

_VERSION = 0


class NumberAssignor(AbstractPartitionAssignor):  # type: ignore[misc] # aiokafka has no types
    """Assigns the partition numbers round robin, in the order of the member ids."""

    name = "unenroll-numbers"

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Return the topics and partitions of each member. All members subscribe to the same topics."""
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        partitions = {topic: cluster.partitions_for_topic(topic) or set() for topic in topics}
        numbers = sorted(set().union(*partitions.values()))
        assignments = {}
        for index, member in enumerate(sorted(members)):
            own = set(numbers[index :: len(members)])
            assigned = [(topic, sorted(partitions[topic] & own)) for topic in topics]
            assignments[member] = ConsumerProtocolMemberAssignment(_VERSION, assigned, b"")
        return assignments

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return what a member sends to the group when it joins."""
        return ConsumerProtocolMemberMetadata(_VERSION, sorted(topics), b"")

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Do nothing: the assignor keeps no state."""
