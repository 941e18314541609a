"""The schema files as a validator reads them."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

SCHEMAS = Path(__file__).parents[2] / "schemas"
BY_NAME: dict[str, dict[str, Any]] = {
    path.name.removesuffix(".v1.json"): json.loads(path.read_text("utf-8")) for path in sorted(SCHEMAS.glob("*.json"))
}


def _is_instant(text: object) -> bool:
    """As the format says, which allows lower case and a space; the checker that comes with the library does not."""
    usual = Draft202012Validator.FORMAT_CHECKER
    return not isinstance(text, str) or bool(usual.conforms(text.upper().replace(" ", "T"), "date-time"))


def _validators() -> dict[str, Any]:
    checker = FormatChecker(formats=["uuid"])
    checker.checkers = checker.checkers | {"date-time": (_is_instant, ())}
    return {name: Draft202012Validator(schema, format_checker=checker) for name, schema in BY_NAME.items()}


VALIDATORS = _validators()
