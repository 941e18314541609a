"""Tokens are kept while they are good, renewed before they end, and whoever refuses us one is told of."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from support.certificates import Authority
from support.token_server import TokenServer, token_server
from unenroll.errors import OutageError, Server, SetupError
from unenroll.kafka.oauth import OAuthGrant, OAuthToken, TokenCache

SECRET = "crunchy armchair/1987"  # noqa: S105 - of nobody


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def server(authority: Authority) -> Iterator[TokenServer]:
    with token_server(authority.signs("tokens", hosts=("127.0.0.1",)), secrets={"me": SECRET}) as found:
        yield found


@pytest.fixture
def grant(server: TokenServer, authority: Authority) -> OAuthGrant:
    return OAuthGrant(
        url=server.url, scope="kafka", cafile=authority.file, client_id=SecretStr("me"), client_secret=SecretStr(SECRET)
    )


def test_a_good_token_is_kept(grant: OAuthGrant, server: TokenServer) -> None:
    tokens = TokenCache(grant.ask)
    token = tokens.current()
    assert tokens.current() is token
    assert server.given == ["me"]
    assert 0 < token.renew - time.time() < token.ends - time.time() <= server.seconds
    assert token.text not in repr(token)


def test_a_token_is_renewed_before_it_ends(grant: OAuthGrant, server: TokenServer) -> None:
    tokens = TokenCache(lambda: replace(grant.ask(), renew=0.0))
    first, second = tokens.current(), tokens.current()
    assert second is not first
    assert server.given == ["me", "me"]


@pytest.mark.parametrize(("lasts", "is_kept"), [(60, True), (-1, False)])
def test_while_nobody_gives_a_new_one_the_old_one_does_until_it_ends(lasts: int, is_kept: bool) -> None:
    given = iter([OAuthToken(text="old", ends=time.time() + lasts, renew=0.0)])

    def ask() -> OAuthToken:
        try:
            return next(given)
        except StopIteration:
            raise OutageError("nobody is there", server=Server.KAFKA) from None

    tokens = TokenCache(ask)
    first = tokens.current()
    if is_kept:
        assert tokens.current() is first
    else:
        with pytest.raises(OutageError):
            tokens.current()


def test_a_refusal_repeats_nothing(grant: OAuthGrant) -> None:
    with pytest.raises(SetupError, match="invalid_client") as refused:
        replace(grant, client_secret=SecretStr("hunter2")).ask()
    assert "hunter2" not in str(refused.value)


def test_who_shows_another_certificate_gets_no_secret(grant: OAuthGrant, server: TokenServer, tmp_path: Path) -> None:
    with pytest.raises(OutageError, match="certificate verify failed"):
        replace(grant, cafile=Authority(tmp_path, "stranger").file).ask()
    assert server.given == []
