"""Tokens are cached while they are valid and renewed before they expire; a refusal is a SetupError."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from support.certificates import Authority
from support.secure_kafka import TokenServer, token_server
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


def test_a_valid_token_is_cached(grant: OAuthGrant, server: TokenServer) -> None:
    tokens = TokenCache(grant.request_token)
    token = tokens.current()
    assert tokens.current() is token
    assert server.given == ["me"]
    assert 0 < token.renew_at - time.time() < token.expires_at - time.time() <= server.seconds
    assert token.text not in repr(token)


def test_a_token_is_renewed_before_it_expires(grant: OAuthGrant, server: TokenServer) -> None:
    tokens = TokenCache(lambda: replace(grant.request_token(), renew_at=0.0))
    first, second = tokens.current(), tokens.current()
    assert second is not first
    assert server.given == ["me", "me"]


@pytest.mark.parametrize(("seconds", "is_valid"), [(60, True), (-1, False)])
def test_the_old_token_is_used_until_it_expires_while_the_server_is_away(seconds: int, is_valid: bool) -> None:
    answers = iter([OAuthToken(text="old", expires_at=time.time() + seconds, renew_at=0.0)])

    def request_token() -> OAuthToken:
        try:
            return next(answers)
        except StopIteration:
            raise OutageError("no answer", server=Server.KAFKA) from None

    tokens = TokenCache(request_token)
    first = tokens.current()
    if is_valid:
        assert tokens.current() is first
    else:
        with pytest.raises(OutageError):
            tokens.current()


def test_the_message_of_a_refusal_has_no_secret(grant: OAuthGrant) -> None:
    with pytest.raises(SetupError, match="invalid_client") as refused:
        replace(grant, client_secret=SecretStr("hunter2")).request_token()
    assert "hunter2" not in str(refused.value)


def test_a_server_with_an_untrusted_certificate_gets_no_secret(
    grant: OAuthGrant, server: TokenServer, tmp_path: Path
) -> None:
    with pytest.raises(OutageError, match="certificate verify failed"):
        replace(grant, cafile=Authority(tmp_path, "stranger").file).request_token()
    assert server.given == []
