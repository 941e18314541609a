"""Keys that are read anew, and kept while their source is away."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.auth.clock import Clock
from api.auth.jwks_server import Issuer, issuer
from api.auth.token_issuer import EC_KEY, ED_KEY, RSA_KEY, jwk, jwks
from unenroll.api.auth.jwks import KeyRing, KeySourceUnavailableError, source_of
from unenroll.api.errors import HttpRefusal
from unenroll.errors import UsageError

OLD = jwks(jwk(RSA_KEY, "old"))
BOTH = jwks(jwk(RSA_KEY, "old"), jwk(EC_KEY, "new"))
NEW = jwks(jwk(EC_KEY, "new"))
MINUTE = 60
HOUR = 60 * MINUTE


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Issuer]:
    with issuer(OLD, tmp_path) as one:
        yield one


@pytest.fixture
def ring(far: Issuer, clock: Clock) -> KeyRing:
    return KeyRing(source_of(far.url, tls=far.tls), clock=clock)


async def has(ring: KeyRing, kid: str, algorithm: str = "RS256") -> bool:
    return await ring.key(kid, algorithm) is not None


async def test_keys_are_fetched_once_however_many_ask(ring: KeyRing, far: Issuer) -> None:
    assert await asyncio.gather(*(has(ring, "old") for _ in range(100))) == [True] * 100
    assert far.asked == 1


async def test_an_unknown_key_is_asked_for_but_not_too_often(ring: KeyRing, far: Issuer, clock: Clock) -> None:
    assert await has(ring, "old")
    for number in range(100):
        assert not await has(ring, f"invented-{number}")
    assert far.asked == 1
    far.document = BOTH
    clock.now += 30
    assert await asyncio.gather(*(has(ring, "new", "ES256") for _ in range(10))) == [True] * 10
    assert far.asked == 2


async def test_keys_that_are_no_longer_listed_do_not_open_for_long(ring: KeyRing, far: Issuer, clock: Clock) -> None:
    assert await has(ring, "old")
    far.document = NEW
    clock.now += 5 * MINUTE + 1
    assert await has(ring, "old")  # nobody waits for the issuer: this one is answered with what is known
    assert await has(ring, "new", "ES256")
    assert not await has(ring, "old")


@pytest.mark.parametrize("trouble", ["500", "no keys", "redirect", "too large"])
async def test_old_keys_are_kept_for_a_day_while_the_issuer_is_in_trouble(
    trouble: str, ring: KeyRing, far: Issuer, clock: Clock
) -> None:
    assert await has(ring, "old")
    far.status = {"500": 500, "redirect": 302}.get(trouble, 200)
    far.location = far.url if trouble == "redirect" else None
    far.document = {"no keys": b'{"keys": []}', "too large": b" " * (1 << 20) + OLD}.get(trouble, OLD)
    for _ in range(23):
        clock.now += HOUR
        assert await has(ring, "old")
        assert not await has(ring, "new", "ES256")
    clock.now += HOUR + 1
    with pytest.raises(HttpRefusal) as refused:
        await ring.key("old", "RS256")
    assert refused.value.status == 503
    far.status, far.document = 200, OLD
    clock.now += 31
    assert await has(ring, "old")


async def test_without_any_keys_nobody_is_told_that_a_token_is_bad(far: Issuer, clock: Clock) -> None:
    far.status = 500
    ring = KeyRing(source_of(far.url, tls=far.tls), clock=clock)
    for _ in range(5):
        with pytest.raises(HttpRefusal) as refused:
            await ring.key("old", "RS256")
        assert refused.value.status == 503
    assert far.asked == 1
    far.status = 200
    clock.now += 30
    assert await has(ring, "old")


def test_whom_nobody_vouches_for_is_not_believed(far: Issuer) -> None:
    with pytest.raises(KeySourceUnavailableError, match=r"127\.0\.0\.1: SSLCertVerificationError"):
        source_of(far.url).read()


def test_a_redirect_is_not_followed(far: Issuer) -> None:
    far.status, far.location = 302, "file:///etc/passwd"
    with pytest.raises(KeySourceUnavailableError, match="answered 302"):
        source_of(far.url, tls=far.tls).read()


@pytest.mark.parametrize(
    "place",
    [
        "http://issuer.example/keys",
        "file:///etc/keys",
        "ftp://issuer.example",
        "https://",
        "https://u:p@issuer.example",
    ],
)
def test_a_place_that_cannot_be_trusted_is_refused_and_no_password_told(place: str) -> None:
    with pytest.raises(UsageError) as refused:
        source_of(place)
    assert "u:p" not in str(refused.value)


async def test_a_file_is_followed(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(OLD)
    ring = KeyRing(source_of(str(path)), clock=clock)
    assert await has(ring, "old")
    path.write_bytes(jwks(jwk(ED_KEY, "new")))
    clock.now += 2
    assert await has(ring, "new", "EdDSA")
    assert not await has(ring, "old")


async def test_a_file_that_is_gone_lets_nobody_in_after_a_minute(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(OLD)
    ring = KeyRing(source_of(str(path)), clock=clock)
    assert await has(ring, "old")
    path.unlink()
    clock.now += 61
    with pytest.raises(HttpRefusal):
        await ring.key("old", "RS256")
