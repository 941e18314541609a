"""Which dead letters can heal as they are: the record is right, and what it needs may still come."""

from collections.abc import Mapping
from types import MappingProxyType

from unenroll.wire.refusals import Reason

HEALS: Mapping[str, str] = MappingProxyType(
    {
        Reason.GROUP_NOT_FOUND: "once its target group is defined",
        Reason.TARGET_NOT_FOUND: "once its target is defined",
        Reason.TARGET_NOT_IN_GROUP: "once its target is defined in its group",
        Reason.PERIOD_NOT_FOUND: "once its cycle is defined",
        Reason.ANSWER_TOO_LARGE: "once the topic of its answer takes larger records",
        Reason.REFUSED_BY_DATABASE: "once the database takes it",
    }
)
"""What a letter waits for, by its reason. One with another reason never heals, unless somebody edits it."""
