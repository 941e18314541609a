"""What a call is told that ends early: one envelope, and no word that would help to get in."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from math import ceil


class Refused(Exception):  # noqa: N818 - an answer that cuts a call short, no error of ours
    """The call ends here, with this status and these words. `headers` go with the answer.

    `code` is the number that the rules have for it; where they have none, it is the status.
    """

    def __init__(
        self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None, *, code: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = int(status) if code is None else code
        self.headers = dict(headers or {})


class Unauthorized(Refused):
    """Nobody knows who calls. `challenge` says how to tell."""

    def __init__(self, challenge: str) -> None:
        super().__init__(
            HTTPStatus.UNAUTHORIZED, "the credentials are missing or wrong", {"WWW-Authenticate": challenge}
        )
        self.challenge = challenge


def later(status: HTTPStatus, message: str, *, seconds: float) -> Refused:
    """A refusal that may be tried again after so many seconds, one at least."""
    return Refused(status, message, {"Retry-After": str(max(1, ceil(seconds)))})


def envelope(code: int, message: str) -> bytes:
    """The body of an answer that is one refusal."""
    errors = [{"code": code, "message": message}]
    return json.dumps({"data": None, "errors": errors, "warnings": None}, separators=(",", ":")).encode()
