"""Refusals of calls, in the envelope. Their texts must not help an attacker."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from math import ceil


class HttpRefusal(Exception):  # noqa: N818 - an early answer, not an error
    """Ends the call with this status, message and headers.

    `code`: the code of the rules; default: the status.
    """

    def __init__(
        self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None, *, code: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = int(status) if code is None else code
        self.headers = dict(headers or {})


class Unauthorized(HttpRefusal):
    """The call is not authenticated. `challenge`: the header WWW-Authenticate."""

    def __init__(self, challenge: str) -> None:
        super().__init__(
            HTTPStatus.UNAUTHORIZED, "the credentials are missing or wrong", {"WWW-Authenticate": challenge}
        )
        self.challenge = challenge


def retry_after(status: HTTPStatus, message: str, *, seconds: float) -> HttpRefusal:
    """A refusal with Retry-After, at least one second."""
    return HttpRefusal(status, message, {"Retry-After": str(max(1, ceil(seconds)))})


def envelope(code: int, message: str) -> bytes:
    """The body of a refusal."""
    errors = [{"code": code, "message": message}]
    return json.dumps({"data": None, "errors": errors, "warnings": None}, separators=(",", ":")).encode()
