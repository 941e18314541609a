"""An issuer of tokens, as tests need one."""

import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "https://unenroll.example"
ISSUER = "https://issuer.example"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def jwk(key: PrivateKey, kid: str, **more: object) -> dict[str, Any]:
    """The public half, as an entry of a JWKS."""
    if isinstance(key, rsa.RSAPrivateKey):
        entry = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        entry = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        entry = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    entry.pop("key_ops", None)
    return {**entry, "kid": kid, **more}


def jwks(*entries: Mapping[str, Any]) -> bytes:
    """The document."""
    return json.dumps({"keys": entries}).encode()


USUAL = jwks(jwk(RSA_KEY, "rsa"), jwk(EC_KEY, "ec"), jwk(ED_KEY, "ed"))


def claims(**other: object) -> dict[str, Any]:
    """What a good token says, with other claims in place; None: without it."""
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": int(time.time()) + 3600,  # made when tests are collected, it outlives them all
        "client_id": "crm",
        "scope": "openid unenroll:write",
    }
    return {name: value for name, value in {**usual, **other}.items() if value is not None}


def token(
    result: Mapping[str, Any],
    key: PrivateKey | str = RSA_KEY,
    algorithm: str = "RS256",
    head: Mapping[str, Any] | None = None,
) -> str:
    """A token that says this. `head` names the key; by default the one of RSA."""
    return jwt.encode(dict(result), key, algorithm=algorithm, headers={"kid": "rsa"} if head is None else dict(head))
