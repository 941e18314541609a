"""The OpenAPI document: of version 3.1, whole, and with examples that are what it says."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from support.secret_files import line, write
from unenroll.api.app import application
from unenroll.api.openapi import ENROLL, UNENROLL, RouteDocumentation
from unenroll.api.schemas import EnrollRecord, UnenrollRecord, read_body
from unenroll.settings import ApiSettings


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    clients = write(tmp_path_factory.mktemp("api") / "clients", line("crm"))
    settings = ApiSettings(
        kafka_bootstrap_servers="localhost:1",
        database_url=SecretStr("postgresql://localhost/none"),
        api_clients_file=clients,
    )
    return application(None, settings).openapi()  # type: ignore[arg-type] # nothing is called


def operations(document: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(path, operation) for path, methods in document["paths"].items() for operation in methods.values()]


def test_it_is_openapi_3_1_and_tells_of_every_call(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    target = "/targetGroups/{targetGroupId}/targets/{targetId}"
    assert set(document["paths"]) == {
        *(f"{prefix}{target}/{what}" for prefix in ("", "/v3") for what in ("unEnroll", "enroll")),
        "/requests/{requestId}",
        "/customers/{customerId}/targets/{targetId}",
        "/customers/{customerId}/targets/{targetId}/explain",
    }
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert "un-enrol-users-into-a-milestonestreak" in names
    assert all(operation["security"] for _, operation in operations(document))


def test_the_examples_of_answers_are_envelopes(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        for status, response in operation["responses"].items():
            content = response["content"]["application/json"]
            examples = [one["value"] for one in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            assert examples or path.startswith("/customers")  # those have theirs field by field
            validator = Draft202012Validator({**content["schema"], "components": document["components"]})
            for example in examples:
                validator.validate(example)
                assert (example["data"] is None) is (status != "200" or example["errors"] is not None)


@pytest.mark.parametrize(("documentation", "model"), [(UNENROLL, UnenrollRecord), (ENROLL, EnrollRecord)])
def test_the_examples_of_bodies_are_read_and_as_their_schema_says(
    documentation: RouteDocumentation, model: type[UnenrollRecord] | type[EnrollRecord]
) -> None:
    content = documentation.extra["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        Draft202012Validator(content["schema"]).validate(example["value"])
        read_body(model, json.dumps(example["value"]).encode(), content_type="application/json")
