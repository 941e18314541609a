"""The dead letter: the reason why a record is refused, and a sentence for the people who sent it."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from unenroll.core.admission import RefusedEvent
from unenroll.core.events import EventId
from unenroll.core.reasons import Reason

DETAIL_CHARACTERS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """Why a record is refused. `reason` is a `Reason` or the reason of an older release.

    `detail` is a sentence for people, without NUL characters, cut after 500 characters.
    """

    reason: str
    detail: str

    def __post_init__(self) -> None:
        """Make the detail fit into a Postgres text and into the headers of a dead letter."""
        if "\x00" in self.detail:
            object.__setattr__(self, "detail", self.detail.replace("\x00", "\ufffd"))
        if len(self.detail) > DETAIL_CHARACTERS:
            object.__setattr__(self, "detail", self.detail[: DETAIL_CHARACTERS - 1] + "…")


def not_json(problem: str) -> DeadLetter:
    """Refuse a value that is not a JSON text."""
    return DeadLetter(reason=Reason.NOT_JSON, detail=f"value: {problem}")


def schema(path: str, problem: str) -> DeadLetter:
    """Refuse a record because of the field or header at `path`."""
    return DeadLetter(reason=Reason.SCHEMA, detail=f"{path}: {problem}")


def id_conflict(key: EventId) -> DeadLetter:
    """Refuse an event with the id of an earlier event that has different content."""
    detail = f"Event {key.id} of {key.source} was read before with different content. A new event needs a new id."
    return DeadLetter(reason=Reason.ID_CONFLICT, detail=detail)


def from_refused_event(refused: RefusedEvent) -> DeadLetter:
    """Return the dead letter of an event that the rules refuse."""
    return DeadLetter(reason=refused.reason, detail=refused.detail)


def from_validation_error(error: ValidationError, prefix: str) -> DeadLetter:
    """Return the dead letter of data that a model refuses: for an instant without offset, else for the first error.

    `prefix` is put before the path of the field.
    """
    errors = error.errors(include_url=False)
    naive = next((one for one in errors if one["type"] == Reason.NAIVE_TIME), None)
    first = naive or errors[0]
    others = len(errors) - 1
    more = f" (and {others} more error{'s' if others > 1 else ''})" if others else ""
    return DeadLetter(
        reason=Reason.SCHEMA if naive is None else Reason.NAIVE_TIME,
        detail=f"{_path(prefix, first['loc'])}: {_problem(first)}{more}",
    )


def similar_name(name: str, candidates: Iterable[object]) -> str | None:
    """Return the first candidate that differs from `name` only in case, hyphens and underscores, or None."""
    wanted = _normalized(name)
    for candidate in candidates:
        if isinstance(candidate, str) and _normalized(candidate) == wanted:
            return candidate
    return None


_PROBLEMS = {
    "model_type": "must be an object",
    "int_type": "must be a 64-bit integer",
    "greater_than_equal": "must be a 64-bit integer, {ge} or more",
    "less_than_equal": "must be a 64-bit integer",
    "string_type": "must be a string",
    "string_unicode": "must not contain a lone surrogate",
    "string_pattern_mismatch": "must not contain a NUL character",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} entries",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}
"""What to say for each type of pydantic error. Our own validators say it themselves."""


def _problem(error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return _missing(str(error["loc"][-1]), error["input"])
    problem = _PROBLEMS.get(error["type"])
    return error["msg"] if problem is None else problem.format_map(error.get("ctx", {}))


def _missing(field: str, parent: object) -> str:
    found = similar_name(field, parent) if isinstance(parent, dict) else None
    return "is missing" if found is None else f"is missing; found {found}"


def _normalized(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


def _path(prefix: str, steps: tuple[int | str, ...]) -> str:
    dotted = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return (prefix + dotted.removeprefix(".")).rstrip(".")
