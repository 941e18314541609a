"""Parsing of a JWKS document into the public keys that check tokens."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

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
