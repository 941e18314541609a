"""Why a record cannot be taken."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from unenroll.core.admission import Misplaced
from unenroll.core.events import EventId

DETAIL_CHARACTERS = 500


class Reason(StrEnum):
    """Why a record is dead-lettered: the first that applies. SCHEMA is of the envelope; of the data it comes sixth."""

    NOT_JSON = "not_json"
    SCHEMA = "schema"
    UNKNOWN_TYPE = "unknown_type"
    NO_TIME = "no_time"
    NAIVE_TIME = "naive_time"
    ID_CONFLICT = "id_conflict"
    GROUP_NOT_FOUND = "group_not_found"
    TARGET_NOT_FOUND = "target_not_found"
    TARGET_NOT_IN_GROUP = "target_not_in_group"
    PERIOD_NOT_FOUND = "period_not_found"
    PERIOD_END_ON_STREAK = "period_end_on_streak"
    LEVEL_MISSING = "level_missing"
    LEVEL_NOT_FOUND = "level_not_found"
    REWARD_CONFLICT = "reward_conflict"
    ACCOUNT_NOT_FOUND = "account_not_found"
    ANSWER_TOO_LARGE = "answer_too_large"
    BELONGS_ON_TOPIC = "belongs_on_topic"
    REFUSED_BY_DATABASE = "refused_by_database"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """A refusal: `reason` is a word for machines, `detail` a sentence for a person: no NUL, cut at 500 characters."""

    reason: str
    detail: str

    def __post_init__(self) -> None:
        """Make the detail fit wherever it is kept."""
        if "\x00" in self.detail:
            object.__setattr__(self, "detail", self.detail.replace("\x00", "\ufffd"))
        if len(self.detail) > DETAIL_CHARACTERS:
            object.__setattr__(self, "detail", self.detail[: DETAIL_CHARACTERS - 1] + "…")


def schema(path: str, complaint: str) -> DeadLetter:
    """The refusal of what stands at `path`."""
    return DeadLetter(reason=Reason.SCHEMA, detail=f"{path}: {complaint}")


def not_json(complaint: str) -> DeadLetter:
    """The refusal of a value that is no JSON text."""
    return DeadLetter(reason=Reason.NOT_JSON, detail=f"value: {complaint}")


def id_conflict(key: EventId) -> DeadLetter:
    """The refusal of an event whose id stands for another one already."""
    detail = f"Event {key.id} of {key.source} was read before with other content."
    return DeadLetter(reason=Reason.ID_CONFLICT, detail=detail)


def of_misplaced(misplaced: Misplaced) -> DeadLetter:
    """The refusal of an event that has no place."""
    return DeadLetter(reason=misplaced.reason, detail=misplaced.detail)


def of_model(error: ValidationError, prefix: str) -> DeadLetter:
    """The refusal that a model's complaint amounts to: a naive instant first, or else the first complaint.

    `prefix` stands before the paths of the model's fields.
    """
    complaints = error.errors(include_url=False, include_input=False)
    naive = next((one for one in complaints if one["type"] == Reason.NAIVE_TIME), None)
    first = naive or complaints[0]
    others = len(complaints) - 1
    more = f" (and {others} more)" if others else ""
    return DeadLetter(
        reason=Reason.SCHEMA if naive is None else Reason.NAIVE_TIME,
        detail=f"{_path(prefix, first['loc'])}: {_sentence(first)}{more}",
    )


_SENTENCES = {
    "missing": "is required",
    "model_type": "must be an object",
    "int_type": "must be an integer of 64 bits",
    "greater_than_equal": "must be an integer of 64 bits, {ge} or more",
    "less_than_equal": "must be an integer of 64 bits",
    "string_type": "must be text",
    "string_unicode": "must not hold a lone surrogate",
    "string_pattern_mismatch": "must not hold a NUL",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} entries",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}


def _sentence(complaint: ErrorDetails) -> str:
    sentence = _SENTENCES.get(complaint["type"])
    return complaint["msg"] if sentence is None else sentence.format_map(complaint.get("ctx", {}))


def _path(prefix: str, steps: tuple[int | str, ...]) -> str:
    dotted = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return (prefix + dotted.removeprefix(".")).rstrip(".")
