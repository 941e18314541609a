"""OAUTHBEARER tokens: requests them with client credentials, caches them, and renews them before they expire."""

import asyncio
import json
import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from threading import Lock
from urllib.parse import quote, urlencode, urlsplit

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError
from pydantic import SecretStr

from unenroll.errors import OutageError, Server, SetupError, UnenrollError
from unenroll.settings import KafkaSettings

_REQUEST_SECONDS = 5.0
_MAX_ANSWER_BYTES = 64 * 1024
_DEFAULT_SECONDS = 300.0  # if the answer has no expires_in
_RENEW_AFTER = 0.75  # of the lifetime: librdkafka asks for the next token at 0.8
_REFUSALS = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuthToken:
    """One token. The times are seconds since 1970."""

    text: str = field(repr=False)
    expires_at: float
    renew_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuthGrant:
    """How to request a token."""

    url: str
    scope: str | None
    cafile: Path | None
    client_id: SecretStr
    client_secret: SecretStr

    def request_token(self) -> OAuthToken:
        """Request a new token. Blocks. Raises SetupError if the server refuses us, OutageError if it fails."""
        start, host = time.time(), urlsplit(self.url).netloc
        try:
            status, body = self._post()
        except (OSError, HTTPException) as error:
            message = f"the token URL ({host}) does not answer: {str(error) or type(error).__name__}"
            raise OutageError(message, server=Server.KAFKA) from None
        answer = _parse(body)
        if status in _REFUSALS:
            raise SetupError(f"the token URL ({host}) refuses our client id or secret: {status}{_error_code(answer)}")
        text = answer.get("access_token")
        if status != HTTPStatus.OK or not isinstance(text, str):
            raise OutageError(f"the token URL ({host}) answers {status} without a token", server=Server.KAFKA)
        seconds = _lifetime(answer.get("expires_in"))
        return OAuthToken(text=text, expires_at=start + seconds, renew_at=start + seconds * _RENEW_AFTER)

    def _post(self) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        connection = self._connection(parts.scheme, str(parts.hostname), parts.port)
        form = {"grant_type": "client_credentials"} | ({"scope": self.scope} if self.scope else {})
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", target, body=urlencode(form), headers=self._headers())
            answer = connection.getresponse()
            body = answer.read(_MAX_ANSWER_BYTES + 1)
        finally:
            connection.close()
        if len(body) > _MAX_ANSWER_BYTES:
            raise HTTPException("the answer is larger than 64 KiB")
        return answer.status, body

    def _connection(self, scheme: str, host: str, port: int | None) -> HTTPConnection:
        if scheme == "http":  # the settings allow it for localhost only
            return HTTPConnection(host, port, timeout=_REQUEST_SECONDS)
        context = ssl.create_default_context(cafile=self.cafile)
        return HTTPSConnection(host, port, timeout=_REQUEST_SECONDS, context=context)

    def _headers(self) -> dict[str, str]:
        credentials = ":".join(quote(part.get_secret_value(), safe="") for part in (self.client_id, self.client_secret))
        return {
            "Authorization": f"Basic {b64encode(credentials.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }


class TokenCache:
    """Holds the current token. Thread-safe."""

    def __init__(self, request_token: Callable[[], OAuthToken]) -> None:
        self._request_token = request_token
        self._lock = Lock()
        self._token: OAuthToken | None = None

    def current(self) -> OAuthToken:
        """Return a valid token. Blocks while it requests a new one. Raises SetupError and OutageError."""
        with self._lock:
            if self._token is None or time.time() >= self._token.renew_at:
                self._token = self._renew(self._token)
            return self._token

    def _renew(self, old: OAuthToken | None) -> OAuthToken:
        try:
            return self._request_token()
        except UnenrollError:
            if old is None or time.time() >= old.expires_at:
                raise
            return old


def token_cache(settings: KafkaSettings) -> TokenCache:
    """Return the token cache for these settings. All clients of the process share it."""
    return _shared_cache(
        OAuthGrant(
            url=settings.kafka_sasl_oauth_token_url or "",
            scope=settings.kafka_sasl_oauth_scope,
            cafile=settings.kafka_sasl_oauth_cafile,
            client_id=settings.kafka_sasl_oauth_client_id or SecretStr(""),
            client_secret=settings.kafka_sasl_oauth_client_secret or SecretStr(""),
        )
    )


@lru_cache(maxsize=8)
def _shared_cache(grant: OAuthGrant) -> TokenCache:
    return TokenCache(grant.request_token)


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc] # aiokafka has no types
    """Gives aiokafka a token each time it connects."""

    def __init__(self, tokens: TokenCache) -> None:
        self._tokens = tokens

    async def token(self) -> str:
        """Return the current token. Raises KafkaConnectionError, after which aiokafka retries."""
        try:
            return (await asyncio.to_thread(self._tokens.current)).text
        except UnenrollError as error:
            raise KafkaConnectionError(str(error)) from error


def _parse(body: bytes) -> dict[str, object]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _error_code(answer: dict[str, object]) -> str:
    """Return the error code if RFC 6749 defines it; any other text could repeat the secret."""
    code = answer.get("error")
    known = ("invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "unauthorized_client")
    return f" ({code})" if code in known else ""


def _lifetime(seconds: object) -> float:
    return float(seconds) if isinstance(seconds, int | float) and seconds > 0 else _DEFAULT_SECONDS
