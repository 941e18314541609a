"""The settings of the front door that say who may come in, made into what looks after it."""

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
    """What the guards need to be told."""

    @property
    def api_clients_file(self) -> Path | None:
        """The file of names and hashed secrets."""

    @property
    def api_jwks(self) -> str | None:
        """The file or the URL of the keys of tokens."""

    @property
    def api_jwt_audience(self) -> str | None:
        """Whom a token has to be for."""

    @property
    def api_jwt_issuer(self) -> str | None:
        """Who has to have made a token."""

    @property
    def api_rate(self) -> float:
        """Calls a second that one caller may make for long."""

    @property
    def api_rate_burst(self) -> int:
        """Calls that one caller may make at once."""


def authentication(settings: GuardSettings) -> Authentication:
    """What the settings ask for. Raises UsageError if that is nobody or anybody, SetupError over an unusable file."""
    basic = None if settings.api_clients_file is None else Basic(ClientsFile(settings.api_clients_file))
    tokens = _tokens(settings)
    if basic is None and tokens is None:
        raise UsageError(
            "nobody could be let in: set UNENROLL_API_CLIENTS_FILE or UNENROLL_API_JWKS (docs/security.md)"
        )
    return Authentication(basic=basic, tokens=tokens)


def _tokens(settings: GuardSettings) -> Tokens | None:
    if settings.api_jwks is None:
        return None
    audience, issuer = settings.api_jwt_audience, settings.api_jwt_issuer
    if not audience or not issuer:
        raise UsageError("UNENROLL_API_JWKS needs UNENROLL_API_JWT_AUDIENCE and UNENROLL_API_JWT_ISSUER beside it")
    source = source_of(settings.api_jwks)
    if source.local:
        _check(source)
    return Tokens(KeyRing(source), audience=audience, issuer=issuer)


def _check(source: Source) -> None:
    """A URL may be away for a while, a file may not."""
    try:
        key_set(source.read())
    except (SourceAwayError, UnreadableKeysError) as error:
        raise SetupError(f"the keys that UNENROLL_API_JWKS names cannot be read: {error}") from None
