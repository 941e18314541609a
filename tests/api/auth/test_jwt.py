"""Bearer tokens, good and bad."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from api.auth.token_issuer import AUDIENCE, EC_KEY, ED_KEY, ISSUER, RSA_KEY, USUAL, PrivateKey, claims, jwk, jwks, token
from unenroll.api.auth.authentication import CallerAuthentication
from unenroll.api.auth.clients import Caller
from unenroll.api.auth.jwks import KeyRing, KeySource, UnreadableKeysError, key_set
from unenroll.api.auth.jwt import BearerTokens
from unenroll.api.auth.scopes import ApiScope
from unenroll.api.errors import HttpRefusal, Unauthorized

CRM = Caller(name="client:crm", scopes=frozenset({ApiScope.WRITE}))
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def tokens(document: bytes = USUAL) -> BearerTokens:
    source = KeySource(read=lambda: document, fresh=300, apart=30, kept=1000)
    return BearerTokens(KeyRing(source), audience=AUDIENCE, issuer=ISSUER)


def part(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_by_hand(head: Mapping[str, Any], raw_claims: bytes) -> str:
    """What no library would sign: any claims, even those that are no JSON."""
    from jwt.algorithms import RSAAlgorithm  # noqa: PLC0415 - only here

    content = f"{part(head)}.{part(raw_claims)}"
    signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(content.encode(), RSA_KEY)
    return f"{content}.{part(signature)}"


def hmac_with_the_public_key() -> str:
    import hmac  # noqa: PLC0415 - only here

    content = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa'})}.{part(claims())}"
    return f"{content}.{part(hmac.digest(PUBLIC_PEM, content.encode(), 'sha256'))}"


def without_a_signature(algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'rsa'})}.{part(claims())}."


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [
        (RSA_KEY, "RS256", "rsa"),
        (RSA_KEY, "RS512", "rsa"),
        (RSA_KEY, "PS384", "rsa"),
        (EC_KEY, "ES256", "ec"),
        (ED_KEY, "EdDSA", "ed"),
    ],
)
async def test_a_token_of_each_kind_of_key_opens(key: PrivateKey, algorithm: str, kid: str) -> None:
    assert await tokens().caller(token(claims(), key, algorithm, {"kid": kid})) == CRM


@pytest.mark.parametrize(
    ("result", "name"),
    [
        ({}, "client:crm"),
        ({"client_id": None, "azp": "app"}, "client:app"),
        ({"client_id": "crm", "azp": "app", "sub": "u1"}, "client:crm"),
        ({"client_id": None, "sub": "auth0|17@clients"}, "subject:auth0%7C17@clients"),
        ({"client_id": None, "sub": "crm"}, "subject:crm"),
        ({"client_id": "../crm /\n"}, "client:..%2Fcrm%20%2F%0A"),
    ],
)
async def test_a_caller_is_named_by_the_program_or_else_by_the_subject(result: dict[str, Any], name: str) -> None:
    found = await tokens().caller(token(claims(**result)))
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    ("result", "scopes"),
    [
        ({"scope": "unenroll:read unenroll:write email"}, {"unenroll:read", "unenroll:write"}),
        ({"scope": ["unenroll:read"]}, {"unenroll:read"}),
        ({"scope": None, "scp": ["unenroll:backdate", 7, "email"]}, {"unenroll:backdate"}),
        ({"scope": None, "scp": "unenroll:read unenroll:backdate"}, {"unenroll:read", "unenroll:backdate"}),
        ({"scope": "email", "scp": ["unenroll:write"]}, set()),
        ({"scope": "unenroll:writer xunenroll:write UNENROLL:WRITE"}, set()),
        ({"scope": {"unenroll:write": True}}, set()),
        ({"scope": None}, set()),
    ],
)
async def test_scopes_are_a_text_or_a_list_and_others_are_nothing_to_us(
    result: dict[str, Any], scopes: set[str]
) -> None:
    found = await tokens().caller(token(claims(**result)))
    assert found is not None
    assert found.scopes == scopes


@pytest.mark.parametrize(
    "bad",
    [
        claims(exp=None),
        claims(exp=int(time.time()) - 31),
        claims(exp="tomorrow"),
        claims(exp=[1]),
        claims(exp=True),
        claims(exp={"in": 300}),
        claims(nbf=int(time.time()) + 1800),
        claims(iat=int(time.time()) + 1800),
        claims(aud=None),
        claims(aud=""),
        claims(aud=AUDIENCE + "/"),
        claims(aud=["https://other.example"]),
        claims(aud={AUDIENCE: 1}),
        claims(iss=None),
        claims(iss=ISSUER + "/"),
        claims(iss=[ISSUER]),
        claims(client_id=None),
        claims(client_id=""),
        claims(client_id=17),
        claims(client_id="c" * 201),
        claims(sub=17),
    ],
)
async def test_a_token_that_says_something_wrong_does_not_open(bad: dict[str, Any]) -> None:
    try:
        made = token(bad)
    except TypeError:  # the library refuses to sign it
        made = signed_by_hand({"alg": "RS256", "kid": "rsa"}, json.dumps(bad).encode())
    assert await tokens().caller(made) is None


@pytest.mark.parametrize(
    "bad",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "\N{LATIN SMALL LETTER E WITH ACUTE}.b.c",
        token(claims()) + "x",
        token(claims())[:-4] + "AAAA",
        token(claims()) + ".",
        token(claims(), STRANGER),
        token(claims(), EC_KEY, "ES256", {"kid": "rsa"}),
        token(claims(), RSA_KEY, "RS256", {"kid": "ec"}),
        token(claims(), RSA_KEY, "RS256", {"kid": "unknown"}),
        token(claims(), RSA_KEY, "RS256", {}),
        token(claims(), RSA_KEY, "RS256", {"kid": "rsa", "crit": ["exp"], "exp": 1}),
        token(claims(), RSA_KEY, "RS256", {"kid": "rsa", "typ": "logout+jwt"}),
        token(claims(), "a secret that everybody knows, 32 b", "HS256", {"kid": "rsa"}),
        token(claims(), ec.generate_private_key(ec.SECP256K1()), "ES256K", {"kid": "ec"}),
        hmac_with_the_public_key(),
        without_a_signature("none"),
        without_a_signature("None"),
        without_a_signature("nOnE"),
        without_a_signature("RS256"),
        without_a_signature(""),
        signed_by_hand({"alg": "RS256", "kid": "rsa"}, b"not JSON"),
        signed_by_hand({"alg": "RS256", "kid": "rsa"}, b"[1]"),
        signed_by_hand({"alg": "RS256", "kid": "rsa"}, b'{"exp": Infinity, "aud": 1, "iss": 1}'),
        signed_by_hand({"alg": "RS256", "kid": "rsa"}, b"[" * 6000),
        signed_by_hand({"alg": "RS256", "kid": ["rsa"]}, json.dumps(claims()).encode()),
        signed_by_hand({"alg": ["RS256"], "kid": "rsa"}, json.dumps(claims()).encode()),
        signed_by_hand({"alg": "RS256", "kid": "rsa", "typ": 7}, json.dumps(claims()).encode()),
        signed_by_hand({"alg": "RS256", "kid": "rsa", "b64": False}, json.dumps(claims()).encode()),
        token(claims(padding="p" * 9000)),
        part(b"[" * 5000) + ".b.c",
    ],
    ids=range(33),
)
async def test_a_token_that_is_none_of_ours_does_not_open(bad: str) -> None:
    assert await tokens().caller(bad) is None


async def test_a_clock_that_is_a_little_off_does_not_matter() -> None:
    assert await tokens().caller(token(claims(exp=int(time.time()) - 25, iat=int(time.time()) + 25))) == CRM


async def test_a_token_of_one_kind_is_not_taken_for_another() -> None:
    for kind in ("at+jwt", "AT+JWT", "JWT"):
        assert await tokens().caller(token(claims(), head={"kid": "rsa", "typ": kind})) == CRM


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "kid": "rsa", "k": part(b"a secret that everybody knows, 32 b")},
        jwk(RSA_KEY, "rsa", use="enc"),
        jwk(RSA_KEY, "rsa", key_ops=["encrypt"]),
        jwk(RSA_KEY, "rsa", key_ops="verify"),
        jwk(RSA_KEY, "rsa", alg="HS256"),
        jwk(RSA_KEY, "rsa", alg="none"),
        jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024), "rsa"),  # noqa: S505 - the point
        {**jwk(RSA_KEY, "rsa"), "kid": None},
        {**jwk(RSA_KEY, "rsa"), "kty": "EC"},
        {**jwk(RSA_KEY, "rsa"), "n": "!!!"},
        {**jwk(RSA_KEY, "rsa"), "n": 5},
        {**jwk(EC_KEY, "rsa"), "x": jwk(EC_KEY, "rsa")["y"]},
        {},
    ],
    ids=range(13),
)
def test_a_key_that_may_not_check_signatures_is_no_key(entry: dict[str, Any]) -> None:
    with pytest.raises(UnreadableKeysError, match="no public key"):
        key_set(jwks(entry))
    assert {kid for kid, _ in key_set(jwks(entry, jwk(ED_KEY, "ed")))} == {"ed"}


@pytest.mark.parametrize("document", [b"", b"\xff", b"[]", b"7", b"{}", b'{"keys": {}}', b'{"keys": [7]}', b"[" * 9000])
def test_a_document_that_is_no_set_of_keys_is_refused(document: bytes) -> None:
    with pytest.raises(UnreadableKeysError):
        key_set(document)


def test_a_key_is_for_the_algorithm_that_it_names_alone() -> None:
    assert set(key_set(jwks(jwk(RSA_KEY, "rsa", alg="PS256")))) == {("rsa", "PS256")}
    assert set(key_set(jwks(jwk(EC_KEY, "ec")))) == {("ec", "ES256")}


async def test_a_token_for_another_algorithm_of_its_key_does_not_open() -> None:
    only = tokens(jwks(jwk(RSA_KEY, "rsa", alg="PS256")))
    assert await only.caller(token(claims())) is None
    assert await only.caller(token(claims(), RSA_KEY, "PS256")) == CRM


async def test_bad_tokens_are_counted_by_address_and_good_ones_always_open() -> None:
    authentication = CallerAuthentication(basic=None, tokens=tokens())
    for _ in range(20):
        with pytest.raises(Unauthorized, match="missing or wrong") as unauthorized:
            await authentication.caller("Bearer " + token(claims(), STRANGER), address="192.0.2.1")
        assert unauthorized.value.challenge == 'Bearer realm="unenroll", error="invalid_token"'
    with pytest.raises(HttpRefusal, match="too many failed authentications") as refused:
        await authentication.caller("Bearer " + token(claims(), STRANGER), address="192.0.2.1")
    assert refused.value.status == 429
    assert await authentication.caller("Bearer " + token(claims()), address="192.0.2.1") == CRM


async def test_without_any_way_in_configured_nobody_comes_in() -> None:
    authentication = CallerAuthentication(basic=None, tokens=None)
    for authorization in (None, "Basic YTpi", "Bearer " + token(claims())):
        with pytest.raises(Unauthorized):
            await authentication.caller(authorization)
