"""Schemas and models take and refuse the same values in every place of every event."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from agree.schema_files import BY_NAME, VALIDATORS
from agree.taken import FULL, OURS, complaint, takes

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
UNSAYABLE = ("ends at or before its start", "starts before", "levels must ascend")
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
