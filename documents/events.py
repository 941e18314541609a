"""The page of events: topics, and the fields of each event's data."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from documents.tables import code, table
from unenroll.wire.topics import CARRIES, Topic, full_type

_SCHEMAS = Path(__file__).parents[1] / "schemas"
_IN = frozenset({Topic.REQUESTS, Topic.FACTS, Topic.DEFINITIONS})
_LEAD = """# Events

CloudEvents 1.0 over Kafka; [contract.md](../contract.md) tells how they are wrapped. `data` of each is described by a
JSON Schema in `schemas/`, from which this page is made; `schemas/asyncapi.yaml` has them all with their topics. A field
that is not listed is ignored on the way in.
"""
_LIMITS = {"minLength": "at least {} characters", "maxLength": "up to {} characters", "minItems": "at least {}"}


def events() -> Iterator[str]:
    """The lines of the page: a section for each event, topic after topic."""
    yield _LEAD
    rows = [
        [code(topic), "in" if topic in _IN else "out", ", ".join(map(code, sorted(CARRIES[topic])))] for topic in Topic
    ]
    yield from table(["topic", "direction", "carries"], rows)
    for topic in Topic:
        for name in sorted(CARRIES[topic]):
            yield from _section(name, topic)


def _section(name: str, topic: Topic) -> Iterator[str]:
    schema = json.loads((_SCHEMAS / f"{name}.v1.json").read_text(encoding="utf-8"))
    yield f"## {name}\n"
    yield f"{schema['description']}\n"
    yield f"`ce_type` {code(full_type(name))}, topic {code(topic)}.\n"
    yield from table(["field", "type", "", "meaning"], _fields(schema, ""))
    if schema.get("examples"):
        yield "```json"
        yield json.dumps(schema["examples"][0], indent=2, ensure_ascii=False)
        yield "```"
        yield ""


def _fields(schema: Mapping[str, Any], path: str) -> Iterator[list[str]]:
    for name, field in schema["properties"].items():
        required = "required" if name in schema.get("required", ()) else _default(field)
        yield [code(path + name), _type(field), required, field.get("description", "")]
        if "properties" in field:
            yield from _fields(field, f"{path}{name}.")
        elif "properties" in field.get("items", {}):
            yield from _fields(field["items"], f"{path}{name}[].")


def _type(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return " ".join(code(value) for value in field["enum"] if value is not None)
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    words = [field["format"] if kind == "string" and "format" in field else kind for kind in kinds]
    limits = [text.format(field[limit]) for limit, text in _LIMITS.items() if limit in field and "format" not in field]
    return ", ".join([" or ".join(words), *limits])


def _default(field: Mapping[str, Any]) -> str:
    return f"default {code(json.dumps(field['default']).strip(chr(34)))}" if "default" in field else ""
