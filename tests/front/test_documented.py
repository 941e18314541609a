"""The OpenAPI document: of version 3.1, whole, and with examples that are what it says."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from stage.fronts import Trusting
from unenroll.front.app import application
from unenroll.front.bodies import EnrollRecord, UnenrollRecord, read_body
from unenroll.front.documented import ENROLL, UNENROLL, Documented


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return application(None, Trusting()).openapi()  # type: ignore[arg-type] # nothing is called


def operations(document: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(path, operation) for path, methods in document["paths"].items() for operation in methods.values()]


def test_it_is_openapi_3_1_and_tells_of_every_call(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    target = "/targetGroups/{targetGroupId}/targets/{targetId}"
    assert set(document["paths"]) == {
        *(f"{prefix}{target}/{what}" for prefix in ("", "/v3") for what in ("unEnroll", "enroll")),
        "/requests/{requestId}",
    }
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert "un-enrol-users-into-a-milestonestreak" in names
    assert all(operation["security"] for _, operation in operations(document))


def test_the_examples_of_answers_are_envelopes(document: dict[str, Any]) -> None:
    schema = {**document["components"]["schemas"]["Envelope"], "components": document["components"]}
    validator = Draft202012Validator(schema)
    for _, operation in operations(document):
        for status, response in operation["responses"].items():
            content = response["content"]["application/json"]
            examples = [one["value"] for one in content.get("examples", {}).values()] or [content["example"]]
            for example in examples:
                validator.validate(example)
                assert (example["data"] is None) is (status != "200" or example["errors"] is not None)


@pytest.mark.parametrize(("told", "model"), [(UNENROLL, UnenrollRecord), (ENROLL, EnrollRecord)])
def test_the_examples_of_bodies_are_read_and_as_their_schema_says(
    told: Documented, model: type[UnenrollRecord] | type[EnrollRecord]
) -> None:
    content = told.extra["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        Draft202012Validator(content["schema"]).validate(example["value"])
        read_body(model, json.dumps(example["value"]).encode(), content_type="application/json")
