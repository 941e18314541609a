"""Input topics as an option."""

from collections.abc import Iterable

from unenroll.errors import UsageError
from unenroll.legible import legible
from unenroll.stream.topics import INPUTS


def topics_named(words: Iterable[str] | None, prefix: str) -> frozenset[str]:
    """The full names of the input topics that a person named, in full or by the word. Raises UsageError."""
    return frozenset(_topic(word, prefix) for word in words or ())


def _topic(word: str, prefix: str) -> str:
    for known in INPUTS:
        if word in {known.value, prefix + known}:
            return prefix + known
    raise UsageError(f"--topic {legible(word)}: must be one of {', '.join(sorted(INPUTS))}")
