"""Authentication from the settings of the HTTP API."""

from pathlib import Path
from typing import Protocol

from unenroll.errors import SetupError, UsageError
from unenroll.front.guards.authentication import Authentication
from unenroll.front.guards.basic import Basic
from unenroll.front.guards.clients_file import ClientsFile
from unenroll.front.guards.key_ring import KeyRing
from unenroll.front.guards.key_set import UnreadableKeysError, key_set
from unenroll.front.guards.key_source import Source, SourceAwayError, source_of
from unenroll.front.guards.tokens import Tokens


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


def authentication(settings: GuardSettings) -> Authentication:
    """The authentication in the settings. Raises UsageError for missing settings, SetupError for unusable files."""
    basic = None if settings.api_clients_file is None else Basic(ClientsFile(settings.api_clients_file))
    tokens = _tokens(settings)
    if basic is None and tokens is None:
        raise UsageError(
            "no caller could authenticate: set UNENROLL_API_CLIENTS_FILE or UNENROLL_API_JWKS (docs/api-security.md)"
        )
    return Authentication(basic=basic, tokens=tokens)


def _tokens(settings: GuardSettings) -> Tokens | None:
    if settings.api_jwks is None:
        return None
    audience, issuer = settings.api_jwt_audience, settings.api_jwt_issuer
    if not audience or not issuer:
        raise UsageError("UNENROLL_API_JWKS also needs UNENROLL_API_JWT_AUDIENCE and UNENROLL_API_JWT_ISSUER")
    source = source_of(settings.api_jwks)
    if source.local:
        _check(source)
    return Tokens(KeyRing(source), audience=audience, issuer=issuer)


def _check(source: Source) -> None:
    """Read a file of keys at the start. A URL may be unavailable for a while, a file may not."""
    try:
        key_set(source.read())
    except (SourceAwayError, UnreadableKeysError) as error:
        raise SetupError(f"UNENROLL_API_JWKS: the keys cannot be read: {error}") from None
