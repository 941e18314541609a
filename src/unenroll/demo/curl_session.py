"""Sends calls to the HTTP API with curl: a customer of the worked examples leaves, and comes back."""

import asyncio
import json
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass
from shutil import which

from unenroll.core.outcomes import Outcome
from unenroll.demo.examples import MILESTONE
from unenroll.demo.notation import ABC, Chapter
from unenroll.errors import SetupError, UnenrollError

CALLER = "crm"
_OK, _UNAUTHORIZED = 200, 401
_CURL_SECONDS = "30"
_CURL_OPTIONS = (
    *("--silent", "--show-error", "--noproxy", "*"),
    *("--max-time", _CURL_SECONDS, "--write-out", "\n%{http_code}"),
)
_CUSTOMER = next(example for example in MILESTONE if example.name == "A3")
_TARGET = f"/targetGroups/{ABC.group_id}/targets/{ABC.target['targetId']}"
_JSON = ("--header", "Content-Type: application/json")

INITIAL_FACTS = Chapter(campaign=ABC, examples=(_CUSTOMER,))
"""The example that the demo loads before the first call."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CurlStep:
    """A call: its path, curl's arguments, and the expected answer. `secret` is None for the right one."""

    title: str
    path: str
    arguments: tuple[str, ...] = ()
    secret: str | None = None
    status: int = _OK
    code: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CurlExchange:
    """A call as a command line, and its answer. `code` is that of the first error or warning."""

    title: str
    command: str
    status: int
    code: int | None
    answer: str
    as_expected: bool


def _post(record: dict[str, object], key: str | None = None) -> tuple[str, ...]:
    header = () if key is None else ("--header", f"Idempotency-Key: {key}")
    return (*_JSON, *header, "--data", json.dumps([{"customerId": _CUSTOMER.customer_id, **record}]))


_LEAVE = _post({"effectiveAt": "2026-03-15T00:00:00Z"}, "leave-1")
STEPS = (
    CurlStep(title="The customer leaves, as of 15 March.", path=f"{_TARGET}/unEnroll", arguments=_LEAVE),
    CurlStep(
        title="The same call again gets the same answer. The worker decides it once.",
        path=f"{_TARGET}/unEnroll",
        arguments=_LEAVE,
    ),
    CurlStep(
        title="Leaving twice is a success, with a warning.",
        path=f"{_TARGET}/unEnroll",
        arguments=_post({"effectiveAt": "2026-03-20T00:00:00Z"}),
        code=_OK,
    ),
    CurlStep(
        title="The API refuses a target that does not exist, with its code.",
        path=f"/targetGroups/{ABC.group_id}/targets/99/unEnroll",
        arguments=_post({}),
        code=Outcome.TARGET_NOT_FOUND.code,
    ),
    CurlStep(
        title="It refuses a caller with a wrong secret.",
        path=f"{_TARGET}/unEnroll",
        arguments=_post({}),
        secret="a wrong secret",  # noqa: S106 - it is meant to be wrong
        status=_UNAUTHORIZED,
        code=_UNAUTHORIZED,
    ),
    CurlStep(
        title="The standing of each reward. Append /explain and open it in a browser to see why, with a timeline.",
        path=f"/customers/{_CUSTOMER.customer_id}/targets/{ABC.target['targetId']}",
    ),
    CurlStep(
        title="The customer comes back from cycle c4 on.",
        path=f"{_TARGET}/enroll",
        arguments=_post({"effectiveAt": "2026-03-20T00:00:00Z", "periodName": "c4"}),
    ),
)


def check_curl() -> None:
    """Raise SetupError if curl is not installed."""
    if which("curl") is None:
        raise SetupError("demo --api needs curl, and it is not on the PATH: install it, or run the demo without --api")


async def exchanges(address: str, secret: str) -> AsyncIterator[CurlExchange]:
    """Send each step to the HTTP API at this address, one after another. Raises UnenrollError if curl fails."""
    for step in STEPS:
        yield await _exchange(step, address, secret)


def exchange_text(exchange: CurlExchange) -> str:
    """The exchange as a terminal shows it."""
    verdict = "" if exchange.as_expected else "\n  NOT as expected"
    return f"# {exchange.title}\n$ {exchange.command}\n{exchange.answer}\n  HTTP {exchange.status}{verdict}\n"


async def _exchange(step: CurlStep, address: str, secret: str) -> CurlExchange:
    arguments = ["--user", f"{CALLER}:{step.secret or secret}", *step.arguments, f"http://{address}{step.path}"]
    curl = await asyncio.create_subprocess_exec(
        "curl", *_CURL_OPTIONS, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await curl.communicate()
    if curl.returncode:
        raise UnenrollError(f"curl failed: {errors.decode(errors='replace').strip()}")
    answer, _, status = output.decode().rpartition("\n")
    code = _code(answer)
    return CurlExchange(
        title=step.title,
        command=shlex.join(["curl", *arguments]),
        status=int(status),
        code=code,
        answer=answer,
        as_expected=(int(status), code) == (step.status, step.code),
    )


def _code(answer: str) -> int | None:
    """The code of the first error, else of the first warning, None if there is neither."""
    try:
        envelope = json.loads(answer)
        first = (envelope["errors"] or envelope["warnings"] or [{}])[0]
    except (ValueError, KeyError, TypeError):
        return None
    code = first.get("code")
    return code if isinstance(code, int) else None
