"""Bearer tokens: JWTs, checked with the public keys of their issuer."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import jwt

from unenroll.api.auth.clients import Caller, scopes_among
from unenroll.api.auth.jwks import KeyRing

_LEEWAY_SECONDS = 30
_KINDS = {None, "jwt", "at+jwt", "application/at+jwt"}
_LONGEST = 8192
_LONGEST_NAME = 200
_SAFE = "@"  # and letters, digits, underscore, dot, hyphen, tilde


class BearerTokens:
    """Callers by the tokens of one issuer for one audience."""

    def __init__(self, keys: KeyRing, *, audience: str, issuer: str) -> None:
        self._keys = keys
        self._audience = audience
        self._issuer = issuer

    async def caller(self, token: str) -> Caller | None:
        """The caller in the token, or None if it is not valid. Raises Refused if there are no keys."""
        head = _head(token)
        if head is None:
            return None
        key = await self._keys.key(head["kid"], head["alg"])
        if key is None:
            return None
        claims = self._claims(token, key, head["alg"])
        return None if claims is None else _caller(claims)

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> Mapping[str, Any] | None:
        """The claims of a valid token. The key ring has checked that the key is for this algorithm."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "aud", "iss"]},
            )
        except Exception:  # noqa: BLE001 - claims of unexpected types raise all kinds of errors
            return None
        return claims


def _head(token: str) -> dict[str, str] | None:
    """The header of a token, not yet verified. None if the token cannot be valid."""
    if len(token) > _LONGEST:
        return None
    try:
        head = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    if "crit" in head or "b64" in head or not _is_kind(head.get("typ")):
        return None
    if not isinstance(head.get("kid"), str) or not isinstance(head.get("alg"), str):
        return None
    return head


def _is_kind(kind: object) -> bool:
    return (kind.lower() if isinstance(kind, str) else kind) in _KINDS if isinstance(kind, str | None) else False


def _caller(claims: Mapping[str, Any]) -> Caller | None:
    name = next(_names(claims), None)
    if name is None or len(name) > _LONGEST_NAME:
        return None
    return Caller(name=name, scopes=scopes_among(_scopes(claims)))


def _names(claims: Mapping[str, Any]) -> Iterator[str]:
    """The client of the token, else its subject. The prefix keeps the two apart."""
    for claim, kind in (("client_id", "client"), ("azp", "client"), ("sub", "subject")):
        said = claims.get(claim)
        if isinstance(said, str) and said:
            yield f"{kind}:{quote(said, safe=_SAFE)}"


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    said = claims.get("scope", claims.get("scp"))
    if isinstance(said, str):
        return said.split()
    return [one for one in said if isinstance(one, str)] if isinstance(said, list) else []
