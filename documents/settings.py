"""The page of settings: what each is called, where it begins, what it may be."""

import re
from collections.abc import Iterator
from enum import Enum
from inspect import getdoc
from typing import get_args

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from documents.tables import code, table
from unenroll import settings as of_ours
from unenroll.cli.worker import defaults

_LEAD = """# Settings

Environment variables, or lines of a file `.env` in the folder where the command runs. All wrong or missing settings are
named at once, exit code 2. `unenroll run --help` and `unenroll api --help` list them too. A secret may be in a file,
which the same name with `_FILE` names: [security.md](../security.md#secrets). `UNENROLL_CACHE` names the folder for
downloads of the embedded servers; unset: `unenroll` in your cache folder.
"""

_WORDS = re.compile(r"\^\(([\w|-]+)\)\$")


def settings() -> Iterator[str]:
    """The lines of the page: a section for each class of settings, in the order of the code."""
    yield _LEAD
    for kind in vars(of_ours).values():
        if isinstance(kind, type) and issubclass(kind, BaseSettings) and _is_shown(kind):
            yield from _section(kind)


def _is_shown(kind: type) -> bool:
    return kind.__module__ == of_ours.__name__ and not kind.__name__.startswith("_")


def _section(kind: type[BaseSettings]) -> Iterator[str]:
    told = dict(zip(kind.model_fields, defaults(kind).items(), strict=True))
    inherited = {name for base in kind.__bases__ for name in getattr(base, "model_fields", {})}
    own = {name: field for name, field in kind.model_fields.items() if name not in inherited}
    yield f"## {kind.__name__}\n"
    yield f"{getdoc(kind)}\n"
    bases = [base.__name__ for base in kind.__bases__ if _is_shown(base)]
    if bases:
        yield f"With all of {' and '.join(code(base) for base in bases)}, and:\n"
    rows = []
    for name, field in own.items():
        variable, default = told[name]
        shown = default if default in {"required", "unset"} else code(default)
        rows.append([code(variable), shown, _may_be(field), f"{field.description}"])
    yield from table(["variable", "default", "may be", "meaning"], rows)


def _choices(pattern: str) -> list[str]:
    """What a pattern allows, where it is nothing but a list of words; else the pattern itself."""
    found = _WORDS.fullmatch(pattern)
    return found[1].split("|") if found else [pattern]


def _may_be(field: FieldInfo) -> str:
    words = [
        code(one.value)
        for kind in (field.annotation, *get_args(field.annotation))
        if isinstance(kind, type) and issubclass(kind, Enum)
        for one in kind
    ]
    for limit in field.metadata:
        for name, text in {"ge": "from", "gt": "above", "le": "up to", "pattern": "", "min_length": ""}.items():
            bound = getattr(limit, name, None)
            if bound is not None and text:
                words.append(f"{text} {bound}")
            elif bound is not None and name == "pattern":
                words.extend(code(one) for one in _choices(bound))
    return " ".join(words)
