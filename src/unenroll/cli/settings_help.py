"""The settings in words, for `unenroll run --help` and `unenroll api --help`."""

from collections.abc import Iterator
from enum import Enum

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings
from rich.markup import escape

from unenroll.secret_files import SUFFIX, secrets_of
from unenroll.settings import PREFIX, LogSettings


def settings_help(kind: type[BaseSettings]) -> str:
    """The epilog of a command with such settings: a paragraph for each with its default and its meaning."""
    lead = "Settings are environment variables, or lines of a file .env in the folder where the command runs:"
    names = ", ".join(PREFIX + name.upper() + SUFFIX for name in secrets_of(kind))
    files = f"Secrets may stand in files instead, which {names} name."
    return "\n\n".join([lead, files, *(escape(line) for each in (kind, LogSettings) for line in _lines(each))])


def defaults(kind: type[BaseSettings]) -> dict[str, str]:
    """What applies to each variable that is not set: its default, or `required`, or `unset`."""
    return {PREFIX + name.upper(): _default(field.default) for name, field in kind.model_fields.items()}


def _lines(kind: type[BaseSettings]) -> Iterator[str]:
    for (variable, default), field in zip(defaults(kind).items(), kind.model_fields.values(), strict=True):
        yield f"{variable} ({default}): {field.description}"


def _default(default: object) -> str:
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "unset"
    return str(default.value if isinstance(default, Enum) else default)
