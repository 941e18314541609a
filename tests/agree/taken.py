"""What the models take and why they refuse the rest."""

import json
from typing import Any

from pydantic import ValidationError

from agree.schema_files import BY_NAME
from support.consumer import MODELS
from wire.samples import SAMPLES, refusal_of

OURS = sorted(MODELS)
FULL: dict[str, dict[str, Any]] = SAMPLES | {name: BY_NAME[name]["examples"][0] for name in OURS}
FULL["UserUnenrolled"] = FULL["UserUnenrolled"] | {
    "kind": "STREAK",
    "levelsKept": [4, 8],
    "supersedes": "5b2ceb3d-c0ae-58ad-a53b-7aa799931e84",
    "requestedBy": "agent 7",
}


def complaint(name: str, data: object) -> str | None:
    """Why the model refuses it, or None: as the worker does, or of our own events as a reader of ours does."""
    if name not in MODELS:
        refused = refusal_of(name, data)
        return None if refused is None else refused.detail
    try:
        MODELS[name].validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        return str(error)
    return None


def takes(name: str, data: object) -> bool:
    """Whether the model takes it."""
    return complaint(name, data) is None
