"""What a call's first lines may look like: plain paths, few and short headers, one meaning."""

import re
from collections import Counter
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from unenroll.front.guards.limits import LARGEST_HEAD
from unenroll.front.guards.refusals import Refused

_MOST_HEADERS = 64
_LONGEST_PATH = 1024
_LONGEST_QUERY = 2048
# No path of ours needs more. So nothing is decoded twice, and nobody upstream can read a path otherwise than we do.
_PATH = re.compile(rb"/|(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_ONCE = (b"authorization", b"content-length", b"transfer-encoding", b"content-type", b"idempotency-key")
_CHANGES_NOTHING = {"GET", "HEAD", "OPTIONS"}


class Heads:
    """An app that sees only calls whose head is in order."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the call through. Raises Refused."""
        if scope["type"] == "http":
            _check_target(scope)
            _check_headers(scope["method"], scope["headers"])
        await self._app(scope, receive, send)


def _check_target(scope: Scope) -> None:
    path: bytes = scope.get("raw_path") or b""
    if len(path) > _LONGEST_PATH or len(scope["query_string"]) > _LONGEST_QUERY:
        raise Refused(HTTPStatus.REQUEST_URI_TOO_LONG, "the address is too long")
    if not _PATH.fullmatch(path):
        raise Refused(HTTPStatus.BAD_REQUEST, "no path here is spelled like this one")


def _check_headers(method: str, headers: list[tuple[bytes, bytes]]) -> None:
    size = sum(len(name) + len(value) for name, value in headers)
    if size > LARGEST_HEAD or len(headers) > _MOST_HEADERS:
        raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too many or too large")
    found = Counter(name for name, _ in headers)
    twice = next((name.decode() for name in _ONCE if found[name] > 1), None)
    if twice is not None:
        raise Refused(HTTPStatus.BAD_REQUEST, f"the header {twice} stands there twice")
    if found[b"content-length"] and found[b"transfer-encoding"]:
        raise Refused(HTTPStatus.BAD_REQUEST, "the body has two lengths", {"Connection": "close"})
    # A browser sends along what it knows of us, whichever page asked it to.
    elsewhere = dict(headers).get(b"sec-fetch-site", b"none") not in {b"none", b"same-origin"}
    if elsewhere and method not in _CHANGES_NOTHING:
        raise Refused(HTTPStatus.FORBIDDEN, "a page from elsewhere may change nothing here")
