"""What topics and event types are called."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Topic(StrEnum):
    """The words behind the topic prefix."""

    REQUESTS = "requests"
    FACTS = "facts"
    DEFINITIONS = "definitions"
    UNENROLLMENTS = "unenrollments"
    REJECTIONS = "rejections"
    REWARDS = "rewards"
    DEAD_LETTERS = "dead-letters"


CARRIES: Mapping[Topic, frozenset[str]] = MappingProxyType(
    {
        Topic.REQUESTS: frozenset({"UnenrollRequested"}),
        Topic.FACTS: frozenset({"CustomerEnrolled", "RewardEarned", "RewardIssued", "SettlementDue"}),
        Topic.DEFINITIONS: frozenset({"TargetGroupDefined"}),
        Topic.UNENROLLMENTS: frozenset({"UserUnenrolled"}),
        Topic.REJECTIONS: frozenset({"UnenrollRejected"}),
        Topic.REWARDS: frozenset({"RewardCancelled", "RewardReinstated"}),
        Topic.DEAD_LETTERS: frozenset(),
    }
)
"""The events that belong on each topic."""

TOPIC_OF: Mapping[str, Topic] = MappingProxyType({name: topic for topic, names in CARRIES.items() for name in names})
"""The topic that each event belongs to."""

_NAMES = {f"unenroll.{name}.v1": name for name in TOPIC_OF}


def full_type(name: str) -> str:
    """The CloudEvents `type` of an event name."""
    return f"unenroll.{name}.v1"


def event_name(full: str) -> str | None:
    """The event name behind a CloudEvents `type`, or None where we know none such."""
    return _NAMES.get(full)
