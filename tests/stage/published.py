"""What reads our events back, as a reader of ours may: by event name, `validate_json(value, strict=True)`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter

from unenroll.wire.outbound import RewardCancelled, RewardReinstated, UnenrollRejected, UserUnenrolled

MODELS: Mapping[str, TypeAdapter[Any]] = MappingProxyType(
    {
        "UserUnenrolled": TypeAdapter(UserUnenrolled),
        "UnenrollRejected": TypeAdapter(UnenrollRejected),
        "RewardCancelled": TypeAdapter(RewardCancelled),
        "RewardReinstated": TypeAdapter(RewardReinstated),
    }
)
