"""A cache of the keys of tokens: refreshed now and then, and kept while their source is unavailable."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from unenroll.api.errors import retry_after
from unenroll.errors import UsageError

# No symmetric algorithms: whoever can check such a token can also make one. And never "none".
_ALGORITHMS: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
_LEAST_RSA_BITS = 2048
_MOST_KEYS = 100

KeySet = Mapping[tuple[str, str], PyJWK]


class UnreadableKeysError(ValueError):
    """The document is not a JWKS with a usable key."""


def key_set(document: bytes) -> KeySet:
    """The keys by `kid` and algorithm. Raises UnreadableKeysError."""
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        raise UnreadableKeysError("the document is not JSON") from None
    entries = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        raise UnreadableKeysError("the document has no list `keys`")
    usable: dict[tuple[str, str], PyJWK] = {}
    for place, key in _usable(entries[:_MOST_KEYS]):
        usable.setdefault(place, key)
    if not usable:
        raise UnreadableKeysError("the document has no public key for signatures with a kid")
    return usable


def _usable(entries: Iterable[object]) -> Iterator[tuple[tuple[str, str], PyJWK]]:
    for entry in entries:
        if isinstance(entry, dict) and _may_verify(entry):
            for algorithm in _algorithms(entry):
                key = _key(entry, algorithm)
                if key is not None:
                    yield (entry["kid"], algorithm), key


def _may_verify(entry: dict[str, Any]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    named = isinstance(entry.get("kid"), str)
    return named and entry.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _algorithms(entry: dict[str, Any]) -> tuple[str, ...]:
    family, curve = entry.get("kty"), entry.get("crv")
    if not isinstance(family, str) or not isinstance(curve, str | None):
        return ()
    possible = _ALGORITHMS.get((family, curve), ())
    if "alg" in entry:
        return tuple(one for one in possible if one == entry["alg"])
    return possible


def _key(entry: dict[str, Any], algorithm: str) -> PyJWK | None:
    public = {name: value for name, value in entry.items() if name != "d"}  # use only the public part of a private key
    try:
        key = PyJWK(public, algorithm)
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    weak = isinstance(key.key, RSAPublicKey) and key.key.key_size < _LEAST_RSA_BITS
    return None if weak else key


_LARGEST = 1 << 20
_PIECE = 1 << 16
_PATIENCE_SECONDS = 5.0
_DAY_SECONDS = 86_400.0


class KeySourceUnavailableError(Exception):
    """The source is unavailable. The text says why, and has no secrets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeySource:
    """How to read the keys (`read` blocks, and raises SourceAwayError), and how often, in seconds.

    `fresh`: age after which they are read again. `apart`: least time between two reads. `kept`: age up to which they
    are used if reading fails.
    """

    read: Callable[[], bytes]
    fresh: float
    apart: float
    kept: float
    local: bool = False


def source_of(place: str, *, tls: ssl.SSLContext | None = None) -> KeySource:
    """The source for a setting. `tls`: default: the authorities that this machine trusts. Raises UsageError."""
    parts = urlsplit(place)
    if "://" not in place:
        return KeySource(read=lambda: _from_file(Path(place)), fresh=2.0, apart=1.0, kept=60.0, local=True)
    if parts.scheme != "https":
        raise UsageError("UNENROLL_API_JWKS must be a file or an https:// URL")
    if not parts.hostname or parts.username or parts.password:
        raise UsageError("UNENROLL_API_JWKS: the URL must have a host, and no user and no password")
    context = tls or ssl.create_default_context()
    return KeySource(read=lambda: _from_url(parts, context), fresh=300.0, apart=30.0, kept=_DAY_SECONDS)


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _bounded(file.read(_LARGEST + 1))
    except OSError as error:
        raise KeySourceUnavailableError(f"{path}: {error.strerror}") from None


def _from_url(url: SplitResult, tls: ssl.SSLContext) -> bytes:
    """Fetch the document. Redirects are not followed: they could lead out of TLS."""
    connection = HTTPSConnection(str(url.hostname), url.port, timeout=_PATIENCE_SECONDS, context=tls)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        return _asked(connection, target)
    except (OSError, HTTPException) as error:
        raise KeySourceUnavailableError(f"{url.hostname}: {type(error).__name__}: {error}") from None
    finally:
        connection.close()


def _asked(connection: HTTPSConnection, target: str) -> bytes:
    until = time.monotonic() + 2 * _PATIENCE_SECONDS
    connection.request("GET", target, headers={"Accept": "application/jwk-set+json, application/json"})
    answer = connection.getresponse()
    if answer.status != HTTPStatus.OK:
        raise KeySourceUnavailableError(f"{connection.host} answered {answer.status}")
    document = b""
    while piece := answer.read1(_PIECE):
        document = _bounded(document + piece)
        if time.monotonic() > until:
            raise KeySourceUnavailableError(f"{connection.host} is too slow")
    return document


def _bounded(document: bytes) -> bytes:
    if len(document) > _LARGEST:
        raise KeySourceUnavailableError("the document is larger than 1 MiB")
    return document


log = structlog.get_logger()

_NEVER = float("-inf")


class KeyRing:
    """The keys of one source. A call waits for the source only if the cache cannot answer."""

    def __init__(self, source: KeySource, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._keys: KeySet = {}
        self._read_at = _NEVER
        self._asked_at = _NEVER
        self._reading: asyncio.Task[None] | None = None

    async def key(self, kid: str, algorithm: str) -> PyJWK | None:
        """The key with this id for this algorithm, or None. Raises Refused if there are no keys at all."""
        if self._age() > self._source.kept:
            await self._read()
        elif self._age() > self._source.fresh:
            self._begin_to_read()
        if self._age() > self._source.kept:
            raise retry_after(HTTPStatus.SERVICE_UNAVAILABLE, "tokens cannot be checked at the moment", seconds=5)
        if (kid, algorithm) not in self._keys:
            await self._read()
        return self._keys.get((kid, algorithm))

    def _age(self) -> float:
        return self._clock() - self._read_at

    async def _read(self) -> None:
        task = self._begin_to_read()
        if task is not None:
            await asyncio.shield(task)

    def _begin_to_read(self) -> asyncio.Task[None] | None:
        """The task that reads the source, started if need be. None if the source was read a moment ago."""
        if self._reading is None and self._clock() - self._asked_at >= self._source.apart:
            self._asked_at = self._clock()
            self._reading = asyncio.create_task(self._try_to_read())
        return self._reading

    async def _try_to_read(self) -> None:
        try:
            self._keys = key_set(await asyncio.to_thread(self._source.read))
            self._read_at = self._clock()
        except (KeySourceUnavailableError, UnreadableKeysError) as error:
            log.warning("jwks_unavailable", why=str(error), known=len(self._keys))
        finally:
            self._reading = None
