"""Authentication by the header `Authorization`."""

import time
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from ipaddress import IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Protocol

import structlog
from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBase as HTTPModel
from fastapi.security.base import SecurityBase
from starlette.types import ASGIApp, Receive, Scope, Send

from unenroll.api.auth.basic import BasicAuthentication
from unenroll.api.auth.clients import Caller, ClientsFile
from unenroll.api.auth.jwks import (
    KeyRing,
    KeySource,
    KeySourceUnavailableError,
    UnreadableKeysError,
    key_set,
    source_of,
)
from unenroll.api.auth.jwt import BearerTokens
from unenroll.api.auth.scopes import ApiScope
from unenroll.api.errors import HttpRefusal, Unauthorized, retry_after
from unenroll.api.limits import RateLimiter
from unenroll.errors import SetupError, UsageError

log = structlog.get_logger()

_FAILURES_AT_ONCE = 20
_FAILURES_A_SECOND = 1 / 6
_PREFIX_OF_ONE = 64  # whoever has one IPv6 address usually has the whole /64


class CallerAuthentication:
    """Authenticates by secret, by token, or by either. Limits the failures from one address."""

    def __init__(
        self,
        *,
        basic: BasicAuthentication | None,
        tokens: BearerTokens | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._basic = basic
        self._tokens = tokens
        self._clock = clock
        self._failures = RateLimiter(rate=_FAILURES_A_SECOND, burst=_FAILURES_AT_ONCE)
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

    async def _by_secret(self, basic: BasicAuthentication, credentials: str, address: str) -> Caller:
        try:
            known = basic.remembered(credentials)
            if known is not None:
                return known
            found = await self._checked(basic, credentials, address)
        except SetupError:
            raise retry_after(
                HTTPStatus.SERVICE_UNAVAILABLE, "secrets cannot be checked at the moment", seconds=5
            ) from None
        if found is None:
            raise self._failed("secret", address, self._challenge)
        return found

    async def _checked(self, basic: BasicAuthentication, credentials: str, address: str) -> Caller | None:
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
                self._failures.release(_place(address), self._clock())
        return found

    async def _by_token(self, tokens: BearerTokens, token: str, address: str) -> Caller:
        # Signatures cannot be guessed, and checking one is fast: earlier failures never delay a valid token.
        found = await tokens.caller(token)
        if found is None:
            self._pay(address)
            raise self._failed("token", address, 'Bearer realm="unenroll", error="invalid_token"')
        return found

    def _pay(self, address: str) -> None:
        wait = self._failures.take(_place(address), self._clock())
        if wait:
            raise retry_after(
                HTTPStatus.TOO_MANY_REQUESTS, "too many failed authentications from this address", seconds=wait
            )

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


STATE = "unenroll_caller"
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class AuthenticationMiddleware:
    """Passes on authenticated calls within their caller's rate, and calls of open paths."""

    def __init__(
        self, app: ASGIApp, *, authentication: CallerAuthentication, rates: RateLimiter, open_paths: Collection[str]
    ) -> None:
        self._app = app
        self._authentication = authentication
        self._rates = rates
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, with its caller in the call's state. Raises Refused."""
        if scope["type"] == "http" and scope["path"] not in self._open:
            _check_site(scope)
            caller = await self._caller(scope)
            scope = {**scope, "state": {**scope.get("state", {}), STATE: caller}}
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        address = (scope.get("client") or ("", 0))[0]
        caller = await self._authentication.caller(_authorization(scope), address=address)
        wait = self._rates.take(caller.name, time.monotonic())
        if wait:
            raise retry_after(HTTPStatus.TOO_MANY_REQUESTS, "this caller makes too many calls", seconds=wait)
        return caller


def _authorization(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) > 1:
        raise HttpRefusal(HTTPStatus.BAD_REQUEST, "the header authorization appears twice")
    return values[0].decode("latin-1") if values else None


def _check_site(scope: Scope) -> None:
    """Refuse changes that a page of another site asks for: the browser adds the credentials that it remembers."""
    site = dict(scope["headers"]).get(b"sec-fetch-site", b"none")
    if scope["method"] not in _SAFE_METHODS and site not in {b"none", b"same-origin"}:
        raise HttpRefusal(HTTPStatus.FORBIDDEN, "a page of another site cannot change anything here")


class _Way(SecurityBase):
    """A security scheme for the OpenAPI document. Admission authenticates before FastAPI sees the call."""

    def __init__(self, scheme: str) -> None:
        self.model = HTTPModel(scheme=scheme)
        self.scheme_name = scheme

    async def __call__(self) -> None:
        """Do nothing."""


_BASIC = _Way("basic")
_BEARER = _Way("bearer")


def required_scopes(scope: ApiScope) -> Callable[..., Awaitable[Caller]]:
    """A dependency that returns the caller. It raises Refused without an authenticated caller with this scope."""

    async def caller(
        request: Request, _basic: Annotated[None, Depends(_BASIC)], _bearer: Annotated[None, Depends(_BEARER)]
    ) -> Caller:
        found = getattr(request.state, STATE, None)
        if not isinstance(found, Caller):
            raise Unauthorized("Basic")
        if scope not in found.scopes:
            raise HttpRefusal(HTTPStatus.FORBIDDEN, f"the caller lacks the scope {scope}", _missing(scope))
        return found

    return caller


def _missing(scope: ApiScope) -> dict[str, str]:
    return {"WWW-Authenticate": f'Bearer realm="unenroll", error="insufficient_scope", scope="{scope}"'}


class GuardSettings(Protocol):
    """The settings that the middleware needs."""

    @property
    def api_clients_file(self) -> Path | None:
        """The clients file: names, scopes and hashed secrets."""

    @property
    def api_jwks(self) -> str | None:
        """File or URL of the keys of tokens (JWKS)."""

    @property
    def api_jwt_audience(self) -> str | None:
        """The audience that a token must have."""

    @property
    def api_jwt_issuer(self) -> str | None:
        """The issuer that a token must have."""

    @property
    def api_rate(self) -> float:
        """Calls per second of one caller, on average."""

    @property
    def api_rate_burst(self) -> int:
        """Calls of one caller at once."""


def authentication(settings: GuardSettings) -> CallerAuthentication:
    """The authentication in the settings. Raises UsageError for missing settings, SetupError for unusable files."""
    basic = None if settings.api_clients_file is None else BasicAuthentication(ClientsFile(settings.api_clients_file))
    tokens = _tokens(settings)
    if basic is None and tokens is None:
        raise UsageError(
            "no caller could authenticate: set UNENROLL_API_CLIENTS_FILE or UNENROLL_API_JWKS (docs/api-security.md)"
        )
    return CallerAuthentication(basic=basic, tokens=tokens)


def _tokens(settings: GuardSettings) -> BearerTokens | None:
    if settings.api_jwks is None:
        return None
    audience, issuer = settings.api_jwt_audience, settings.api_jwt_issuer
    if not audience or not issuer:
        raise UsageError("UNENROLL_API_JWKS also needs UNENROLL_API_JWT_AUDIENCE and UNENROLL_API_JWT_ISSUER")
    source = source_of(settings.api_jwks)
    if source.local:
        _check(source)
    return BearerTokens(KeyRing(source), audience=audience, issuer=issuer)


def _check(source: KeySource) -> None:
    """Read a file of keys at the start. A URL may be unavailable for a while, a file may not."""
    try:
        key_set(source.read())
    except (KeySourceUnavailableError, UnreadableKeysError) as error:
        raise SetupError(f"UNENROLL_API_JWKS: the keys cannot be read: {error}") from None
