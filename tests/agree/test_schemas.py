"""Schemas and models say the same of every event: the same fields, and the same values taken and refused."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from agree.schema_files import BY_NAME, VALIDATORS
from agree.taken import OURS, takes
from support.consumer import MODELS
from unenroll.core.definitions import EnrollmentMode, TargetKind
from unenroll.core.events import EnrollmentOrigin, RewardAllocation
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import CANCELLING_RULES, RewardAction, Rule
from unenroll.wire import inbound
from unenroll.wire.definitions import TargetGroupDefined
from unenroll.wire.topics import CARRIES


def test_every_event_has_a_schema_and_no_other_has() -> None:
    assert BY_NAME.keys() == set().union(*CARRIES.values())


@pytest.mark.parametrize("name", BY_NAME)
def test_a_schema_is_one_and_is_called_by_its_event(name: str) -> None:
    schema = BY_NAME[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["$id"], schema["title"]) == (f"urn:unenroll:{name}.v1", name)
    topic = next(topic for topic, names in CARRIES.items() if name in names)
    assert schema["description"].startswith(f"`data` of `unenroll.{name}.v1` on topic `{topic}`")


@pytest.mark.parametrize("name", BY_NAME)
def test_every_example_is_taken_by_schema_and_model(name: str) -> None:
    assert BY_NAME[name]["examples"]
    for example in BY_NAME[name]["examples"]:
        VALIDATORS[name].validate(example)
        assert takes(name, example)


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of a schema with its own, by path."""
    for field, inner in schema.get("properties", {}).items():
        yield field, inner
        for path, deeper in properties(inner.get("items", inner)):
            yield f"{field}.{path}", deeper


@pytest.mark.parametrize("name", BY_NAME)
def test_every_field_is_described(name: str) -> None:
    for path, field in properties(BY_NAME[name]):
        assert field["description"].endswith("."), path


def model_of(name: str) -> dict[str, Any]:
    """What pydantic says of the model, with its parts filled in."""
    adapters: dict[str, TypeAdapter[Any]] = {
        **{event: TypeAdapter(model) for event, model in inbound.MODELS.items()},
        "TargetGroupDefined": TypeAdapter(TargetGroupDefined),
        **MODELS,
    }
    generated = adapters[name].json_schema(mode="validation")
    parts = generated.pop("$defs", {})

    def filled(node: Any) -> Any:  # noqa: ANN401 - JSON is anything
        if isinstance(node, list):
            return [filled(one) for one in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return filled(parts[node["$ref"].removeprefix("#/$defs/")])
        return {key: filled(value) for key, value in node.items()}

    return {"properties": {}, **filled(generated)}


def shape(node: dict[str, Any]) -> dict[str, Any]:
    """The fields below, and which of them are required."""
    options = node.get("anyOf", [node])
    node = next(option for option in options if option.get("type") != "null")
    node = node.get("items", node)
    if "properties" not in node:
        return {}
    return {
        "required": sorted(node.get("required", [])),
        "fields": {field: shape(inner) for field, inner in node["properties"].items()},
    }


@pytest.mark.parametrize("name", BY_NAME)
def test_model_and_schema_have_the_same_fields_and_require_the_same(name: str) -> None:
    assert shape(BY_NAME[name]) == shape(model_of(name))


@pytest.mark.parametrize("name", OURS)
def test_everything_that_we_publish_is_always_there(name: str) -> None:
    assert BY_NAME[name]["required"] == list(BY_NAME[name]["properties"])


CANCELLING = [rule for rule in Rule if rule in CANCELLING_RULES]
KEEPING = [rule for rule in Rule if rule not in CANCELLING_RULES]
ENUMS: list[tuple[str, str, list[StrEnum]]] = [
    ("CustomerEnrolled", "origin", list(EnrollmentOrigin)),
    ("RewardEarned", "allocation", list(RewardAllocation)),
    ("TargetGroupDefined", "targets.kind", list(TargetKind)),
    ("TargetGroupDefined", "targets.enrollment", list(EnrollmentMode)),
    ("UserUnenrolled", "kind", list(TargetKind)),
    ("UnenrollRejected", "outcome", [outcome for outcome in Outcome if outcome is not Outcome.UNENROLLED]),
    ("RewardCancelled", "allocation", list(RewardAllocation)),
    ("RewardCancelled", "rule", list(CANCELLING)),
    ("RewardCancelled", "action", list(RewardAction)),
    ("RewardReinstated", "allocation", list(RewardAllocation)),
    ("RewardReinstated", "rule", list(KEEPING)),
]


@pytest.mark.parametrize(("name", "path", "members"), ENUMS)
def test_the_words_of_a_schema_are_those_of_the_core_in_its_order(name: str, path: str, members: list[StrEnum]) -> None:
    words = dict(properties(BY_NAME[name]))[path]["enum"]
    assert [word for word in words if word is not None] == [member.value for member in members]


def test_no_word_is_forgotten_by_this_table() -> None:
    checked = {(name, path) for name, path, _ in ENUMS}
    assert checked == {
        (name, path) for name, schema in BY_NAME.items() for path, field in properties(schema) if "enum" in field
    }
