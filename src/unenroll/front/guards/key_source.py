"""Sources of the keys of tokens: a file, or an https URL with short time-outs."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from unenroll.errors import UsageError

_LARGEST = 1 << 20
_PIECE = 1 << 16
_PATIENCE_SECONDS = 5.0
_DAY_SECONDS = 86_400.0


class SourceAwayError(Exception):
    """The source is unavailable. The text says why, and has no secrets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """How to read the keys (`read` blocks, and raises SourceAwayError), and how often, in seconds.

    `fresh`: age after which they are read again. `apart`: least time between two reads. `kept`: age up to which they
    are used if reading fails.
    """

    read: Callable[[], bytes]
    fresh: float
    apart: float
    kept: float
    local: bool = False


def source_of(place: str, *, tls: ssl.SSLContext | None = None) -> Source:
    """The source for a setting. `tls`: default: the authorities that this machine trusts. Raises UsageError."""
    parts = urlsplit(place)
    if "://" not in place:
        return Source(read=lambda: _from_file(Path(place)), fresh=2.0, apart=1.0, kept=60.0, local=True)
    if parts.scheme != "https":
        raise UsageError("UNENROLL_API_JWKS must be a file or an https:// URL")
    if not parts.hostname or parts.username or parts.password:
        raise UsageError("UNENROLL_API_JWKS: the URL must have a host, and no user and no password")
    context = tls or ssl.create_default_context()
    return Source(read=lambda: _from_url(parts, context), fresh=300.0, apart=30.0, kept=_DAY_SECONDS)


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _bounded(file.read(_LARGEST + 1))
    except OSError as error:
        raise SourceAwayError(f"{path}: {error.strerror}") from None


def _from_url(url: SplitResult, tls: ssl.SSLContext) -> bytes:
    """Fetch the document. Redirects are not followed: they could lead out of TLS."""
    connection = HTTPSConnection(str(url.hostname), url.port, timeout=_PATIENCE_SECONDS, context=tls)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        return _asked(connection, target)
    except (OSError, HTTPException) as error:
        raise SourceAwayError(f"{url.hostname}: {type(error).__name__}: {error}") from None
    finally:
        connection.close()


def _asked(connection: HTTPSConnection, target: str) -> bytes:
    until = time.monotonic() + 2 * _PATIENCE_SECONDS
    connection.request("GET", target, headers={"Accept": "application/jwk-set+json, application/json"})
    answer = connection.getresponse()
    if answer.status != HTTPStatus.OK:
        raise SourceAwayError(f"{connection.host} answered {answer.status}")
    document = b""
    while piece := answer.read1(_PIECE):
        document = _bounded(document + piece)
        if time.monotonic() > until:
            raise SourceAwayError(f"{connection.host} is too slow")
    return document


def _bounded(document: bytes) -> bytes:
    if len(document) > _LARGEST:
        raise SourceAwayError("the document is larger than 1 MiB")
    return document
