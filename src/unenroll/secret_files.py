"""Reads secrets from files: `UNENROLL_DATABASE_URL_FILE` is the path of the file with `UNENROLL_DATABASE_URL`."""

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

_MAX_BYTES = 64 * 1024
_DATABASE_URL = "UNENROLL_DATABASE_URL"


class FileSecret(SecretStr):
    """A secret in a file. Each use reads the file again, so a changed file changes the secret.

    `variable` is the setting that the file is for; `is_duplicate` says that the environment has the setting too.
    """

    def __init__(self, path: Path, *, variable: str, is_duplicate: bool = False) -> None:
        super().__init__(str(path))
        self._path = path
        self.variable = variable
        self.is_duplicate = is_duplicate
        self._server = Server.POSTGRES if variable == _DATABASE_URL else Server.KAFKA

    def get_secret_value(self) -> str:
        """Return the current text of the file without the final newline. Raises OutageError if it cannot be read."""
        try:
            return self.read()
        except ValueError as error:
            raise OutageError(f"{self.variable}{SUFFIX}: {error}", server=self._server) from None

    def read(self) -> str:
        """Return the same as `get_secret_value`. Raises ValueError; its message quotes nothing from the file."""
        try:
            raw = _read_bytes(self._path)
        except OSError as error:
            raise ValueError(f"the file cannot be read: {error.strerror}") from None
        if len(raw) > _MAX_BYTES:
            raise ValueError("the file is larger than 64 KiB")
        try:
            text = raw.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise ValueError("the file is not UTF-8") from None
        if not text:
            raise ValueError("the file is empty")
        return text

    def __eq__(self, other: object) -> bool:
        """Return whether both secrets are in the same file."""
        return isinstance(other, FileSecret) and self._path == other._path

    def __hash__(self) -> int:
        """Return the hash of the path."""
        return hash(self._path)


def _read_bytes(path: Path) -> bytes:
    # Without O_NONBLOCK, opening a pipe would block until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        return file.read(_MAX_BYTES + 1)


def _check_file(value: object, validate: Callable[[object], SecretStr]) -> SecretStr:
    if not isinstance(value, FileSecret):
        return validate(value)
    if value.is_duplicate:
        raise ValueError(f"{value.variable} and {value.variable}{SUFFIX} are both set: remove one of them")
    try:
        value.read()
    except ValueError as error:
        raise ValueError(f"{value.variable}{SUFFIX}: {error}") from None
    return value


Secret = Annotated[SecretStr, WrapValidator(_check_file)]
"""The type of a setting that is a secret: never shown, and allowed to be in a file."""


def may_change(*secrets: SecretStr | None) -> bool:
    """Return whether one of the secrets is in a file, and so can change while the program runs."""
    return any(isinstance(secret, FileSecret) for secret in secrets)


def secrets_of(kind: type[BaseSettings]) -> list[str]:
    """Return the names of the settings that are secrets."""
    return [name for name, field in kind.model_fields.items() if _is_secret(field.annotation)]


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


class SecretFiles(PydanticBaseSettingsSource):
    """The source of settings that reads `<NAME>_FILE` from the environment and from `.env`."""

    def __init__(
        self, kind: type[BaseSettings], env: PydanticBaseSettingsSource, dotenv: PydanticBaseSettingsSource
    ) -> None:
        super().__init__(kind)
        self._variables = {**_variables_of(dotenv), **_variables_of(env)}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the secret of one field, or None if no variable names a file for it."""
        del field
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        path = self._variables.get(f"{variable}{SUFFIX}".lower())
        if not path:
            return None, field_name, False
        is_duplicate = bool(self._variables.get(variable.lower()))
        return FileSecret(Path(path), variable=variable, is_duplicate=is_duplicate), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets that are in files, by field."""
        fields = self.settings_cls.model_fields
        found = {name: self.get_field_value(fields[name], name)[0] for name in secrets_of(self.settings_cls)}
        return {name: value for name, value in found.items() if value is not None}


def _variables_of(source: PydanticBaseSettingsSource) -> Mapping[str, str | None]:
    return source.env_vars if isinstance(source, EnvSettingsSource | DotEnvSettingsSource) else {}
