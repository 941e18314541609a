"""Schemas and models say the same of every event: the same fields, and the same values taken and refused."""

import json
from collections.abc import Iterator
from copy import deepcopy
from enum import StrEnum
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from agree.schema_files import BY_NAME, VALIDATORS
from unenroll.core.definitions import EnrollmentMode, Kind
from unenroll.core.events import Allocation, Origin
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import Action, Rule
from unenroll.wire import inbound, outbound
from unenroll.wire.definition import TargetGroupDefined
from unenroll.wire.names import CARRIES
from wire.samples import SAMPLES, refusal_of

OURS = sorted(outbound.MODELS)
FULL: dict[str, dict[str, Any]] = SAMPLES | {name: BY_NAME[name]["examples"][0] for name in OURS}
FULL["UserUnenrolled"] = FULL["UserUnenrolled"] | {
    "kind": "STREAK",
    "levelsKept": [4, 8],
    "supersedes": "5b2ceb3d-c0ae-58ad-a53b-7aa799931e84",
    "requestedBy": "agent 7",
}


def complaint(name: str, data: object) -> str | None:
    """Why the model refuses it, or None: as the worker does, or of our own events as a reader of ours does."""
    if name not in outbound.MODELS:
        refused = refusal_of(name, data)
        return None if refused is None else refused.detail
    try:
        outbound.MODELS[name].validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        return str(error)
    return None


def takes(name: str, data: object) -> bool:
    """Whether the model takes it."""
    return complaint(name, data) is None


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
        **outbound.MODELS,
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


CANCELLING = [rule for rule in Rule if rule in outbound.CANCELLING]
KEEPING = [rule for rule in Rule if rule not in outbound.CANCELLING]
ENUMS: list[tuple[str, str, list[StrEnum]]] = [
    ("CustomerEnrolled", "origin", list(Origin)),
    ("RewardEarned", "allocation", list(Allocation)),
    ("TargetGroupDefined", "targets.kind", list(Kind)),
    ("TargetGroupDefined", "targets.enrollment", list(EnrollmentMode)),
    ("UserUnenrolled", "kind", list(Kind)),
    ("UnenrollRejected", "outcome", [outcome for outcome in Outcome if outcome is not Outcome.UNENROLLED]),
    ("RewardCancelled", "allocation", list(Allocation)),
    ("RewardCancelled", "rule", list(CANCELLING)),
    ("RewardCancelled", "action", list(Action)),
    ("RewardReinstated", "allocation", list(Allocation)),
    ("RewardReinstated", "rule", list(KEEPING)),
]


@pytest.mark.parametrize(("name", "path", "members"), ENUMS)
def test_the_words_of_a_schema_are_those_of_the_core_in_its_order(name: str, path: str, members: list[StrEnum]) -> None:
    words = dict(properties(BY_NAME[name]))[path]["enum"]
    assert [word for word in words if word is not None] == [member.value for member in members]


def test_no_word_is_forgotten_by_this_table() -> None:
    told = {(name, path) for name, path, _ in ENUMS}
    assert told == {
        (name, path) for name, schema in BY_NAME.items() for path, field in properties(schema) if "enum" in field
    }


MISSING = object()
PROBES: dict[str, object] = {
    "missing": MISSING,
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "one": 1,
    "minus one": -1,
    "seven": 7,
    "five point zero": 5.0,
    "five and a half": 5.5,
    "largest": 2**63 - 1,
    "too large": 2**63,
    "smallest": -(2**63),
    "too small": -(2**63) - 1,
    "huge": 10**37,
    "empty text": "",
    "text": "text",
    "digits": "5",
    "word": "EXPLICIT",
    "another word": "IMMEDIATE",
    "word in lower case": "explicit",
    "kind": "MILESTONE",
    "rule": "CARRIED_ON",
    "another rule": "ALREADY_ACHIEVED",
    "outcome": "UNENROLLED",
    "64 characters": "\U0001f600" * 64,
    "65 characters": "\U0001f600" * 65,
    "200 characters": "\u00e9" * 200,
    "201 characters": "\u00e9" * 201,
    "1,024 characters": "x" * 1024,
    "1,025 characters": "x" * 1025,
    "NUL": "a\x00b",
    "line feed inside": "a\nb",
    "instant": "2026-03-15T04:00:00Z",
    "instant with offset": "2026-03-15T09:30:00+05:30",
    "instant in lower case": "2026-03-15t04:00:00z",
    "instant with a space": "2026-03-15 04:00:00Z",
    "instant with milliseconds": "2026-03-15T04:00:00.123Z",
    "instant with microseconds": "2026-03-15T04:00:00.123456Z",
    "instant with nanoseconds": "2026-03-15T04:00:00.123456789Z",
    "naive instant": "2026-03-15T04:00:00",
    "30 February": "2026-02-30T04:00:00Z",
    "hour 24": "2026-03-15T24:00:00Z",
    "second 60": "2026-03-15T04:00:60Z",
    "year 0": "0000-03-15T04:00:00Z",
    "offset without colon": "2026-03-15T04:00:00+0530",
    "date": "2026-03-15",
    "amount": "12.50",
    "negative amount": "-0.10",
    "amount with exponent": "1e3",
    "amount with leading zero": "012",
    "largest amount": "9" * 19 + "." + "9" * 18,
    "too large an amount": "9" * 20,
    "too fine an amount": "0." + "9" * 19,
    "uuid": "5b2ceb3d-c0ae-58ad-a53b-7aa799931e84",
    "uuid of version 4": "5b2ceb3d-c0ae-48ad-a53b-7aa799931e84",
    "uuid in upper case": "5B2CEB3D-C0AE-58AD-A53B-7AA799931E84",
    "empty list": [],
    "list": [1, 2],
    "list of zero": [0],
    "list of text": ["1"],
    "list of null": [None],
    "empty object": {},
    "object": {"amount": "1", "unit": "EUR"},
    "span": {"first": "c1", "last": "c2", "count": 2},
}
UNSAYABLE = ("ends at or before its start", "starts before", "levels that ascend")
"""What a model complains of and no schema can: how fields of a definition go together."""


def paths(data: object, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in the data."""
    items: list[tuple[str | int, object]] = []
    if isinstance(data, dict):
        items = list(data.items())
    elif isinstance(data, list):
        items = list(enumerate(data))
    for step, inner in items:
        yield (*steps, step)
        yield from paths(inner, (*steps, step))


def put(data: dict[str, Any], path: tuple[str | int, ...], probe: object) -> dict[str, Any]:
    """A copy of the data with the probe in this place."""
    changed = deepcopy(data)
    node: Any = changed
    for step in path[:-1]:
        node = node[step]
    if probe is MISSING:
        del node[path[-1]]
    else:
        node[path[-1]] = probe
    return changed


PLACES = [(name, path) for name, data in FULL.items() for path in paths(data)]


@pytest.mark.parametrize(("name", "path"), PLACES, ids=[f"{name}-{'.'.join(map(str, path))}" for name, path in PLACES])
def test_schema_and_model_take_and_refuse_the_same(name: str, path: tuple[str | int, ...]) -> None:
    differ = []
    for probe, value in PROBES.items():
        data = put(FULL[name], path, value)
        refused = complaint(name, data)
        sayable = refused is None or not any(words in refused for words in UNSAYABLE)
        if VALIDATORS[name].is_valid(data) != (refused is None) and sayable:
            differ.append(probe)
    # We never write 5.0 for 5, so a reader of ours need not take it.
    assert differ in ([], ["five point zero"] if name in OURS else [])


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("data", [None, True, 1, "text", [], {}])
def test_data_is_an_object_with_something_in_it(name: str, data: object) -> None:
    assert not VALIDATORS[name].is_valid(data)
    assert not takes(name, data)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_full_sample_has_every_field_and_unknown_ones_are_ignored(name: str) -> None:
    assert FULL[name].keys() == BY_NAME[name]["properties"].keys()
    more = FULL[name] | {"note": {"a": [1]}}
    assert VALIDATORS[name].is_valid(more)
    assert takes(name, more)
