"""The routes that read an account, and explain it."""

import asyncio
import re
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import asyncpg
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel

from unenroll.api import page
from unenroll.api.account_schemas import AccountBody, ExplainedAccountBody
from unenroll.api.openapi import REFUSED, Responses, failures
from unenroll.api.schemas import PathId, Problem, refusal_response
from unenroll.core.events import AccountKey
from unenroll.core.outcomes import Outcome
from unenroll.core.sentences import OUTCOMES
from unenroll.explain.story import AccountStory, ExplainQuery, story
from unenroll.explain.text import SETTLEMENT_DUE
from unenroll.postgres.history import AccountHistory, account_history, customer_history

_OK = 200


class AccountAnswer(BaseModel):
    """An account in its current state."""

    data: AccountBody
    errors: None
    warnings: list[Problem] | None


class ExplainedAnswer(BaseModel):
    """An account with explanations."""

    data: ExplainedAccountBody
    errors: None
    warnings: list[Problem] | None


def account_answer(story: AccountStory) -> AccountAnswer:
    """The current state of the account."""
    return AccountAnswer(data=AccountBody.model_validate(story), errors=None, warnings=_warnings(story))


def explained_answer(story: AccountStory) -> ExplainedAnswer:
    """The account with explanations."""
    return ExplainedAnswer(data=ExplainedAccountBody.model_validate(story), errors=None, warnings=_warnings(story))


def _warnings(story: AccountStory) -> list[Problem] | None:
    return [Problem(code=_OK, message=SETTLEMENT_DUE)] if story.due else None


_QUALITY = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?", re.ASCII)


class _Range(NamedTuple):
    """A media range of the header with its quality, from 0 to 1."""

    kind: str
    subkind: str
    quality: float

    def fits(self, kind: str, subkind: str) -> int:
        """How specifically the range matches the type: 0 if it does not match, up to 3 for an exact match."""
        if (self.kind, self.subkind) == (kind, subkind):
            return 3
        if (self.kind, self.subkind) == (kind, "*"):
            return 2
        return 1 if (self.kind, self.subkind) == ("*", "*") else 0


def prefers_page(accept: str | None) -> bool:
    """Whether the client prefers HTML to JSON. Everybody else gets JSON, whatever they accept."""
    ranges = [found for part in (accept or "").split(",") if (found := _range(part)) is not None]
    return _quality(ranges, "text", "html") > _quality(ranges, "application", "json")


def _quality(ranges: list[_Range], kind: str, subkind: str) -> float:
    """The quality of the most specific range that matches the type."""
    fitting = ((found.fits(kind, subkind), found.quality) for found in ranges)
    return max((fit for fit in fitting if fit[0]), default=(0, 0.0))[1]


def _range(part: str) -> _Range | None:
    """Parse one media range. None if it is malformed."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    kind, slash, subkind = name.partition("/")
    if not (kind and slash and subkind):
        return None
    quality = next((value for key, _, value in (one.partition("=") for one in parameters) if key == "q"), "1")
    return _Range(kind, subkind, float(quality)) if _QUALITY.fullmatch(quality) else None


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
        known = await account_history(postgres, key)
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
        customer = await customer_history(postgres, customer_id)
        known = next((one for one in customer.accounts if one.account.key == key), None)
        if known is None:
            return _nothing(key, as_page=as_page)
        return await asyncio.to_thread(lambda: _explained(known, story(known, customer.published), as_page=as_page))

    return router


def _as_it_stands(known: AccountHistory) -> Response:
    return _json(account_answer(story(known, ())))


def _explained(known: AccountHistory, told: AccountStory, *, as_page: bool) -> Response:
    return _html(page.explained_page(told, known.group.calendar)) if as_page else _json(explained_answer(told))


def _nothing(key: AccountKey, *, as_page: bool = False) -> Response:
    code, sentence = _why_nothing(key)
    if as_page:
        return _html(page.not_found_page(sentence), status=_NOT_FOUND)
    return _json(refusal_response(sentence, code=code, status=_NOT_FOUND).envelope, status=_NOT_FOUND)


def _why_nothing(key: AccountKey) -> tuple[int, str]:
    code = Outcome.INVALID_CUSTOMER.code
    if key.customer_id < 1 and code is not None:
        return code, OUTCOMES[Outcome.INVALID_CUSTOMER]
    return _NOT_FOUND, ExplainQuery(customer_id=key.customer_id, target_id=key.target_id).not_found


def _json(answer: BaseModel, *, status: int = 200) -> Response:
    return Response(answer.model_dump_json(by_alias=True), status, _HEADERS, "application/json")


def _html(shown: page.Page, *, status: int = 200) -> Response:
    return Response(shown.html, status, {**_HEADERS, **shown.headers}, "text/html")
