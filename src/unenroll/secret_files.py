"""Secrets that stand in files: `UNENROLL_DATABASE_URL_FILE` names the file that holds `UNENROLL_DATABASE_URL`."""

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import SecretStr, WrapValidator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, PydanticBaseSettingsSource

from unenroll.errors import OutageError, Server

SUFFIX = "_FILE"

_LARGEST = 64 * 1024
_DATABASE_URL = "UNENROLL_DATABASE_URL"


class FileSecret(SecretStr):
    """The text of a file, read anew whenever it is asked for: who changes the file changes the secret.

    Two are equal if they are the same file.
    """

    def __init__(self, path: Path, *, variable: str, twice: bool = False) -> None:
        super().__init__(str(path))
        self._path = path
        self.variable = variable
        self.twice = twice
        self._server = Server.POSTGRES if variable == _DATABASE_URL else Server.KAFKA

    def get_secret_value(self) -> str:
        """What the file holds now, without a newline at its end. Raises OutageError if it cannot be read."""
        try:
            return self.read()
        except ValueError as error:
            raise OutageError(f"{self.variable}{SUFFIX}: {error}", server=self._server) from None

    def read(self) -> str:
        """The same. Raises ValueError, whose text holds nothing of the file's."""
        try:
            raw = _bytes(self._path)
        except OSError as error:
            raise ValueError(f"the file cannot be read: {error.strerror}") from None
        if len(raw) > _LARGEST:
            raise ValueError("the file is larger than 64 KiB")
        try:
            text = raw.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise ValueError("the file is not UTF-8") from None
        if not text:
            raise ValueError("the file is empty")
        return text

    def __eq__(self, other: object) -> bool:
        """Whether it is the same file."""
        return isinstance(other, FileSecret) and self._path == other._path

    def __hash__(self) -> int:
        """By the file's name."""
        return hash(self._path)


def _bytes(path: Path) -> bytes:
    # A pipe in place of the file would hold everything up until somebody writes to it.
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise ValueError("it names no file")
        return file.read(_LARGEST + 1)


def _kept(value: object, validate: Callable[[object], SecretStr]) -> SecretStr:
    if not isinstance(value, FileSecret):
        return validate(value)
    if value.twice:
        raise ValueError(f"{value.variable} and {value.variable}{SUFFIX} are both set: keep one of them")
    try:
        value.read()
    except ValueError as error:
        raise ValueError(f"{value.variable}{SUFFIX}: {error}") from None
    return value


Secret = Annotated[SecretStr, WrapValidator(_kept)]
"""A setting that is not to be shown, and that may stand in a file."""


def may_change(*secrets: SecretStr | None) -> bool:
    """Whether one of them stands in a file, so that it may be another one tomorrow."""
    return any(isinstance(secret, FileSecret) for secret in secrets)


def secrets_of(kind: type[BaseSettings]) -> list[str]:
    """The names of its fields that are secrets."""
    return [name for name, field in kind.model_fields.items() if _is_secret(field.annotation)]


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


class SecretFiles(PydanticBaseSettingsSource):
    """Secrets whose file the environment names, or a file `.env`."""

    def __init__(
        self, kind: type[BaseSettings], env: PydanticBaseSettingsSource, dotenv: PydanticBaseSettingsSource
    ) -> None:
        super().__init__(kind)
        self._given = {**_variables(dotenv), **_variables(env)}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """One field. None if it stands in no file."""
        del field
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        path = self._given.get(f"{variable}{SUFFIX}".lower())
        if not path:
            return None, field_name, False
        twice = bool(self._given.get(variable.lower()))
        return FileSecret(Path(path), variable=variable, twice=twice), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All fields that stand in files."""
        fields = self.settings_cls.model_fields
        found = {name: self.get_field_value(fields[name], name)[0] for name in secrets_of(self.settings_cls)}
        return {name: value for name, value in found.items() if value is not None}


def _variables(source: PydanticBaseSettingsSource) -> Mapping[str, str | None]:
    return source.env_vars if isinstance(source, EnvSettingsSource | DotEnvSettingsSource) else {}
