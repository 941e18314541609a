"""Tokens for OAUTHBEARER: got with our client credentials, kept, and renewed well before they end."""

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

_PATIENCE_SECONDS = 5.0
_LARGEST = 64 * 1024
_USUAL_SECONDS = 300.0  # a server need not say how long its tokens last
_RENEWED_AT = 0.75  # of its life: librdkafka asks for the next one at 0.8
_REFUSALS = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuthToken:
    """One token, until when it is good (seconds since 1970), and when to get the next one."""

    text: str = field(repr=False)
    ends: float
    renew: float


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuthGrant:
    """How tokens are got."""

    url: str
    scope: str | None
    cafile: Path | None
    client_id: SecretStr
    client_secret: SecretStr

    def ask(self) -> OAuthToken:
        """A new token. Blocks. Raises SetupError if we are refused, OutageError if nobody answers."""
        began, host = time.time(), urlsplit(self.url).netloc
        try:
            status, body = self._asked()
        except (OSError, HTTPException) as error:
            said = f"the token URL ({host}) does not answer: {str(error) or type(error).__name__}"
            raise OutageError(said, server=Server.KAFKA) from None
        told = _read(body)
        if status in _REFUSALS:
            raise SetupError(f"the token URL ({host}) refuses our client id or secret: {status}{_code(told)}")
        text = told.get("access_token")
        if status != HTTPStatus.OK or not isinstance(text, str):
            raise OutageError(f"the token URL ({host}) answers {status} without a token", server=Server.KAFKA)
        seconds = _seconds(told.get("expires_in"))
        return OAuthToken(text=text, ends=began + seconds, renew=began + seconds * _RENEWED_AT)

    def _asked(self) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        connection = self._connection(parts.scheme, str(parts.hostname), parts.port)
        form = {"grant_type": "client_credentials"} | ({"scope": self.scope} if self.scope else {})
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", target, body=urlencode(form), headers=self._headers())
            answer = connection.getresponse()
            body = answer.read(_LARGEST + 1)
        finally:
            connection.close()
        if len(body) > _LARGEST:
            raise HTTPException("the answer is larger than 64 KiB")
        return answer.status, body

    def _connection(self, scheme: str, host: str, port: int | None) -> HTTPConnection:
        if scheme == "http":  # the settings allow it on the machine itself only
            return HTTPConnection(host, port, timeout=_PATIENCE_SECONDS)
        trust = ssl.create_default_context(cafile=self.cafile)
        return HTTPSConnection(host, port, timeout=_PATIENCE_SECONDS, context=trust)

    def _headers(self) -> dict[str, str]:
        who = ":".join(quote(part.get_secret_value(), safe="") for part in (self.client_id, self.client_secret))
        return {
            "Authorization": f"Basic {b64encode(who.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }


class TokenCache:
    """The token of now. Any thread may ask."""

    def __init__(self, ask: Callable[[], OAuthToken]) -> None:
        self._ask = ask
        self._lock = Lock()
        self._token: OAuthToken | None = None

    def current(self) -> OAuthToken:
        """A token that is good for a while. Blocks while a new one is got. Raises SetupError and OutageError."""
        with self._lock:
            if self._token is None or time.time() >= self._token.renew:
                self._token = self._next(self._token)
            return self._token

    def _next(self, old: OAuthToken | None) -> OAuthToken:
        try:
            return self._ask()
        except UnenrollError:
            if old is None or time.time() >= old.ends:
                raise
            return old


def token_cache(settings: KafkaSettings) -> TokenCache:
    """The tokens that these settings ask for, shared by all clients of the process."""
    return _shared(
        OAuthGrant(
            url=settings.kafka_sasl_oauth_token_url or "",
            scope=settings.kafka_sasl_oauth_scope,
            cafile=settings.kafka_sasl_oauth_cafile,
            client_id=settings.kafka_sasl_oauth_client_id or SecretStr(""),
            client_secret=settings.kafka_sasl_oauth_client_secret or SecretStr(""),
        )
    )


@lru_cache(maxsize=8)
def _shared(grant: OAuthGrant) -> TokenCache:
    return TokenCache(grant.ask)


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc] # the client carries no types
    """Tokens as aiokafka asks for them, each time it connects."""

    def __init__(self, tokens: TokenCache) -> None:
        self._tokens = tokens

    async def token(self) -> str:
        """The token of now. Raises what aiokafka takes for a broken connection: it tries again."""
        try:
            return (await asyncio.to_thread(self._tokens.current)).text
        except UnenrollError as error:
            raise KafkaConnectionError(str(error)) from error


def _read(body: bytes) -> dict[str, object]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _code(told: dict[str, object]) -> str:
    """The word for it, of those that RFC 6749 knows: anything else could repeat what we sent."""
    code = told.get("error")
    known = ("invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "unauthorized_client")
    return f" ({code})" if code in known else ""


def _seconds(told: object) -> float:
    return float(told) if isinstance(told, int | float) and told > 0 else _USUAL_SECONDS
