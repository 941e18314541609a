"""A file that says how the topics are to be made: partitions, copies, and the settings of each."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unenroll.errors import UsageError
from unenroll.wire.names import Topic as Word

_INPUT_BYTES = 1_048_588  # Kafka's own default
_ROOM_FOR_DEAD_LETTER_HEADERS = 65_536

NEEDED: Mapping[Word, Mapping[str, str]] = MappingProxyType(
    {
        Word.DEFINITIONS: {"cleanup.policy": "compact"},
        Word.DEAD_LETTERS: {"max.message.bytes": str(_INPUT_BYTES + _ROOM_FOR_DEAD_LETTER_HEADERS)},
    }
)
"""What topics are given if nobody says anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedTopics:
    """How topics are to be: all of them with so many partitions and copies, each with these settings."""

    partitions: int
    replication: int
    settings: Mapping[Word, Mapping[str, str]] = field(default_factory=lambda: NEEDED)


_Settings = dict[str, bool | int | str]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    partitions: Annotated[int, Field(ge=1)]
    replication: Annotated[int, Field(ge=1)]
    settings: _Settings = {}
    topics: Annotated[dict[str, _Settings], Field(default_factory=dict)]


def read_topics(path: Path) -> WantedTopics:
    """What the file wants: of a topic first what is said of all, then what it needs, then what is said of it.

    Raises UsageError that says what is wrong with the file.
    """
    try:
        file = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(f"{path}: {'; '.join(_flaw(flaw) for flaw in error.errors(include_url=False))}") from None
    unknown = file.topics.keys() - {word.value for word in Word}
    if unknown:
        raise UsageError(f"{path}: there is no topic {', '.join(sorted(unknown))}")
    return WantedTopics(
        partitions=file.partitions,
        replication=file.replication,
        settings={word: _of_topic(file, word) for word in Word},
    )


def _of_topic(file: _File, word: Word) -> dict[str, str]:
    said = {**file.settings, **NEEDED.get(word, {}), **file.topics.get(word, {})}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in said.items()}


def _flaw(flaw: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, whose values are of any type
    return f"{'.'.join(str(part) for part in flaw['loc'])}: {flaw['msg']}"
