"""The schemas of the HTTP API have all fields of a story, and their examples are answers that it could give."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter

from unenroll.api import account_schemas as shown
from unenroll.api.account_routes import routes
from unenroll.explain.facts import ExplainedEvent, ExplainedFact
from unenroll.explain.rewards import ExplainedReward
from unenroll.explain.stays import ExplainedCycles, ExplainedLeave, ExplainedSpell
from unenroll.explain.story import AccountStory

ACCOUNT = "/customers/{customerId}/targets/{targetId}"


@pytest.mark.parametrize(
    ("model", "record_type"),
    [
        (shown.LeaveBody, ExplainedLeave),
        (shown.CycleSpanBody, ExplainedCycles),
        (shown.SpellBody, ExplainedSpell),
        (shown.ExplainedStandingBody, ExplainedReward),
        (shown.FactBody, ExplainedFact),
        (shown.PublishedEventBody, ExplainedEvent),
        (shown.ExplainedAccountBody, AccountStory),
    ],
)
def test_all_that_is_told_is_shown(model: type[BaseModel], record_type: Any) -> None:  # noqa: ANN401 - a class of records
    read = [field.validation_alias or name for name, field in model.model_fields.items()]
    assert sorted(map(str, read)) == sorted(field.name for field in fields(record_type))


def examples() -> Iterator[Any]:
    for model in vars(shown).values():
        if isinstance(model, type) and issubclass(model, shown.AccountPart):
            for name, field in model.model_fields.items():
                for example in field.examples or ():
                    yield pytest.param(field.annotation, example, id=f"{model.__name__}.{name}")


@pytest.mark.parametrize(("kind", "example"), list(examples()))
def test_an_example_is_of_the_type_that_it_is_an_example_of(kind: Any, example: Any) -> None:  # noqa: ANN401
    TypeAdapter(kind).validate_python(example)


def document() -> dict[str, Any]:
    app = FastAPI()
    app.include_router(routes(pool=lambda: None, reader=lambda: None))
    return app.openapi()


def test_the_document_has_both_paths_with_their_answers() -> None:
    paths = document()["paths"]
    assert set(paths) == {ACCOUNT, f"{ACCOUNT}/explain"}
    assert all({"200", "400", "401", "403", "404", "503"} <= set(paths[where]["get"]["responses"]) for where in paths)
    assert set(paths[f"{ACCOUNT}/explain"]["get"]["responses"]["200"]["content"]) == {"application/json", "text/html"}
    names = [one["name"] for one in paths[ACCOUNT]["get"]["parameters"]]
    assert names == ["customerId", "targetId"]


def test_the_document_spells_fields_as_the_events_do() -> None:
    schemas = document()["components"]["schemas"]
    named = {name for schema in schemas.values() for name in schema.get("properties", {})}
    assert {"customerId", "rewardId", "periodName", "initialBalance", "spells", "standings"} <= named
    assert [name for name in named if "_" in name] == []
