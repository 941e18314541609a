"""Authentication by the header `Authorization`."""

import time
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv6Address, IPv6Network, ip_address

import structlog

from unenroll.errors import SetupError
from unenroll.front.guards.basic import Basic
from unenroll.front.guards.caller import Caller
from unenroll.front.guards.rate import Buckets
from unenroll.front.guards.refusals import Unauthorized, later
from unenroll.front.guards.tokens import Tokens

log = structlog.get_logger()

_FAILURES_AT_ONCE = 20
_FAILURES_A_SECOND = 1 / 6
_PREFIX_OF_ONE = 64  # whoever has one IPv6 address usually has the whole /64


class Authentication:
    """Authenticates by secret, by token, or by either. Limits the failures from one address."""

    def __init__(
        self, *, basic: Basic | None, tokens: Tokens | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._basic = basic
        self._tokens = tokens
        self._clock = clock
        self._failures = Buckets(rate=_FAILURES_A_SECOND, burst=_FAILURES_AT_ONCE)
        offered = [(basic, 'Basic realm="unenroll", charset="UTF-8"'), (tokens, 'Bearer realm="unenroll"')]
        self._challenge = ", ".join(challenge for way, challenge in offered if way is not None)

    async def caller(self, authorization: str | None, *, address: str = "") -> Caller:
        """The caller with these credentials. Raises Unauthorized, or Refused if they cannot be checked now."""
        if authorization is None:
            raise Unauthorized(self._challenge)
        scheme, _, credentials = authorization.strip().partition(" ")
        match scheme.lower():
            case "basic" if self._basic is not None:
                return await self._by_secret(self._basic, credentials.strip(), address)
            case "bearer" if self._tokens is not None:
                return await self._by_token(self._tokens, credentials.strip(), address)
        raise Unauthorized(self._challenge)

    async def _by_secret(self, basic: Basic, credentials: str, address: str) -> Caller:
        try:
            known = basic.remembered(credentials)
            if known is not None:
                return known
            found = await self._checked(basic, credentials, address)
        except SetupError:
            raise later(HTTPStatus.SERVICE_UNAVAILABLE, "secrets cannot be checked at the moment", seconds=5) from None
        if found is None:
            raise self._failed("secret", address, self._challenge)
        return found

    async def _checked(self, basic: Basic, credentials: str, address: str) -> Caller | None:
        # Take the token of a failure before the check: many guesses at once must not pass before the first one ends.
        # Credentials that are being checked already are no further guess: a caller may start with many calls at once.
        pays = not basic.checks(credentials)
        if pays:
            self._pay(address)
        failed = False
        try:
            found = await basic.caller(credentials)
            failed = found is None
        finally:
            if pays and not failed:
                self._failures.give_back(_place(address), self._clock())
        return found

    async def _by_token(self, tokens: Tokens, token: str, address: str) -> Caller:
        # Signatures cannot be guessed, and checking one is fast: earlier failures never delay a valid token.
        found = await tokens.caller(token)
        if found is None:
            self._pay(address)
            raise self._failed("token", address, 'Bearer realm="unenroll", error="invalid_token"')
        return found

    def _pay(self, address: str) -> None:
        wait = self._failures.take(_place(address), self._clock())
        if wait:
            raise later(HTTPStatus.TOO_MANY_REQUESTS, "too many failed authentications from this address", seconds=wait)

    def _failed(self, kind: str, address: str, challenge: str) -> Unauthorized:
        log.warning("credentials_refused", kind=kind, address=address)
        return Unauthorized(challenge)


def _place(address: str) -> str:
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if not isinstance(known, IPv6Address):
        return address
    return str(known.ipv4_mapped or IPv6Network((known, _PREFIX_OF_ONE), strict=False))
