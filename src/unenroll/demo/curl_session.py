"""A session of curl with the HTTP API: one customer of the worked examples leaves, and comes back."""

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
_LEAVER = next(example for example in MILESTONE if example.name == "A3")
_TARGET = f"/targetGroups/{ABC.group_id}/targets/{ABC.target['targetId']}"
_JSON = ("--header", "Content-Type: application/json")

KNOWN_BEFORE = Chapter(campaign=ABC, examples=(_LEAVER,))
"""What is loaded first: the leaver's rewards."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CurlStep:
    """A call as curl is told it, from its path on, and what it should be answered."""

    words: str
    path: str
    arguments: tuple[str, ...] = ()
    secret: str | None = None
    status: int = _OK
    code: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CurlExchange:
    """A call, its command line, and what came back. `code` is the number of the first error or warning."""

    words: str
    command: str
    status: int
    code: int | None
    answer: str
    as_expected: bool


def _posted(record: dict[str, object], key: str | None = None) -> tuple[str, ...]:
    named = () if key is None else ("--header", f"Idempotency-Key: {key}")
    return (*_JSON, *named, "--data", json.dumps([{"customerId": _LEAVER.customer_id, **record}]))


_LEAVE = _posted({"effectiveAt": "2026-03-15T00:00:00Z"}, "leave-1")
STEPS = (
    CurlStep(words="The customer leaves, as of 15 March.", path=f"{_TARGET}/unEnroll", arguments=_LEAVE),
    CurlStep(
        words="The same call again gets the same answer, and is done once.",
        path=f"{_TARGET}/unEnroll",
        arguments=_LEAVE,
    ),
    CurlStep(
        words="Leaving twice is a success, with a warning.",
        path=f"{_TARGET}/unEnroll",
        arguments=_posted({"effectiveAt": "2026-03-20T00:00:00Z"}),
        code=_OK,
    ),
    CurlStep(
        words="A target that does not exist is refused with its code.",
        path=f"/targetGroups/{ABC.group_id}/targets/99/unEnroll",
        arguments=_posted({}),
        code=Outcome.TARGET_NOT_FOUND.code,
    ),
    CurlStep(
        words="So is whoever does not know the secret.",
        path=f"{_TARGET}/unEnroll",
        arguments=_posted({}),
        secret="a wrong secret",  # noqa: S106 - it is meant to be wrong
        status=_UNAUTHORIZED,
        code=_UNAUTHORIZED,
    ),
    CurlStep(
        words="The rewards as they stand. With /explain behind it, a browser shows why, with a timeline.",
        path=f"/customers/{_LEAVER.customer_id}/targets/{ABC.target['targetId']}",
    ),
    CurlStep(
        words="The customer comes back from cycle c4 on.",
        path=f"{_TARGET}/enroll",
        arguments=_posted({"effectiveAt": "2026-03-20T00:00:00Z", "periodName": "c4"}),
    ),
)


def check_curl() -> None:
    """Raise SetupError where there is no curl."""
    if which("curl") is None:
        raise SetupError(
            "the session is one of curl, and there is none here: install it, or run the demo without --api"
        )


async def exchanges(address: str, secret: str) -> AsyncIterator[CurlExchange]:
    """Every step at the HTTP API at this address, one after another. Raises UnenrollError where curl fails."""
    for step in STEPS:
        yield await _exchanged(step, address, secret)


def exchange_text(exchange: CurlExchange) -> str:
    """The exchange as a terminal shows it."""
    verdict = "" if exchange.as_expected else "\n  this is not what was expected"
    return f"# {exchange.words}\n$ {exchange.command}\n{exchange.answer}\n  HTTP {exchange.status}{verdict}\n"


async def _exchanged(step: CurlStep, address: str, secret: str) -> CurlExchange:
    arguments = ["--user", f"{CALLER}:{step.secret or secret}", *step.arguments, f"http://{address}{step.path}"]
    hidden = [
        "--silent",
        "--show-error",
        "--max-time",
        _CURL_SECONDS,
        "--noproxy",
        "*",
        "--write-out",
        "\n%{http_code}",
    ]
    curl = await asyncio.create_subprocess_exec(
        "curl", *hidden, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaint = await curl.communicate()
    if curl.returncode:
        raise UnenrollError(f"curl failed: {complaint.decode(errors='replace').strip()}")
    answer, _, status = printed.decode().rpartition("\n")
    code = _code(answer)
    return CurlExchange(
        words=step.words,
        command=shlex.join(["curl", *arguments]),
        status=int(status),
        code=code,
        answer=answer,
        as_expected=(int(status), code) == (step.status, step.code),
    )


def _code(answer: str) -> int | None:
    """The number of the first thing that the answer has to say."""
    try:
        envelope = json.loads(answer)
        first = (envelope["errors"] or envelope["warnings"] or [{}])[0]
    except (ValueError, KeyError, TypeError):
        return None
    code = first.get("code")
    return code if isinstance(code, int) else None
