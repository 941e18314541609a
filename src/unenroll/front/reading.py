"""The routes that read an account, and explain it."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel

from unenroll.core.outcomes import Outcome
from unenroll.core.sentences import OUTCOMES
from unenroll.explain.question import Question
from unenroll.explain.story import Story, story
from unenroll.front import page
from unenroll.front.accepting import prefers_page
from unenroll.front.answers import refused
from unenroll.front.bodies import PathId
from unenroll.front.documented import REFUSED, Responses, failures
from unenroll.front.read_answers import AccountAnswer, ExplainedAnswer, accounted, explained
from unenroll.store.accounts import AccountKey
from unenroll.store.look import Known, look, look_at

CustomerId = Annotated[PathId, Path(alias="customerId", description="the customer", examples=[423789336])]
TargetId = Annotated[PathId, Path(alias="targetId", description="the target", examples=[21])]
_ACCOUNT = "/customers/{customerId}/targets/{targetId}"
_HEADERS = {"Cache-Control": "no-store", "Vary": "Accept"}
_NOT_FOUND = 404
_NOT_KNOWN = failures(
    {400: "an id is not an integer", _NOT_FOUND: "the customer is not known in this target", **REFUSED}
)
_OR_A_PAGE: Responses = {
    200: {"description": "the account as JSON, or as a page", "content": {"text/html": {"schema": {"type": "string"}}}},
    **_NOT_KNOWN,
}


def routes(*, pool: Callable[..., Any], reader: Callable[..., Any]) -> APIRouter:
    """The routes. Dependencies: `pool` returns the pool of Postgres, `reader` refuses callers who may not read.

    The routes raise OutageError while Postgres is unavailable.
    """
    router = APIRouter(tags=["reading"], dependencies=[Depends(reader)])

    @router.get(_ACCOUNT, response_model=AccountAnswer, responses=_NOT_KNOWN, summary="Current state of an account")
    async def account(
        *, customer_id: CustomerId, target_id: TargetId, postgres: Annotated[asyncpg.Pool, Depends(pool)]
    ) -> Response:
        """Cycles and spells of the customer in this target, and the standing of each reward."""
        key = AccountKey(customer_id, target_id)
        known = await look_at(postgres, key)
        return _nothing(key) if known is None else await asyncio.to_thread(_as_it_stands, known)

    @router.get(
        f"{_ACCOUNT}/explain", response_model=ExplainedAnswer, responses=_OR_A_PAGE, summary="Explanation of an account"
    )
    async def explain(
        *,
        customer_id: CustomerId,
        target_id: TargetId,
        request: Request,
        postgres: Annotated[asyncpg.Pool, Depends(pool)],
    ) -> Response:
        """The account with reasons, facts and published events: as JSON, or as a page with a timeline."""
        as_page = prefers_page(", ".join(request.headers.getlist("accept")))
        key = AccountKey(customer_id, target_id)
        customer = await look(postgres, customer_id)
        known = next((one for one in customer.accounts if one.account.key == key), None)
        if known is None:
            return _nothing(key, as_page=as_page)
        return await asyncio.to_thread(lambda: _explained(known, story(known, customer.sent), as_page=as_page))

    return router


def _as_it_stands(known: Known) -> Response:
    return _json(accounted(story(known, ())))


def _explained(known: Known, told: Story, *, as_page: bool) -> Response:
    return _html(page.explained(told, known.group.calendar)) if as_page else _json(explained(told))


def _nothing(key: AccountKey, *, as_page: bool = False) -> Response:
    code, sentence = _why_nothing(key)
    if as_page:
        return _html(page.nothing(sentence), status=_NOT_FOUND)
    return _json(refused(sentence, code=code, status=_NOT_FOUND).envelope, status=_NOT_FOUND)


def _why_nothing(key: AccountKey) -> tuple[int, str]:
    code = Outcome.INVALID_CUSTOMER.code
    if key.customer_id < 1 and code is not None:
        return code, OUTCOMES[Outcome.INVALID_CUSTOMER]
    return _NOT_FOUND, Question(customer_id=key.customer_id, target_id=key.target_id).nothing


def _json(answer: BaseModel, *, status: int = 200) -> Response:
    return Response(answer.model_dump_json(by_alias=True), status, _HEADERS, "application/json")


def _html(shown: page.Page, *, status: int = 200) -> Response:
    return Response(shown.html, status, {**_HEADERS, **shown.headers}, "text/html")
