"""Authentication from the settings."""

from pathlib import Path

import pytest

from api.auth.settings import Told
from api.auth.token_issuer import USUAL
from support.secret_files import basic, line, write
from unenroll.api.auth.authentication import authentication
from unenroll.errors import SetupError, UsageError


def test_without_any_way_to_know_a_caller_nothing_starts() -> None:
    with pytest.raises(UsageError, match="UNENROLL_API_CLIENTS_FILE or UNENROLL_API_JWKS"):
        authentication(Told())


@pytest.mark.parametrize(("audience", "issuer"), [(None, "i"), ("a", None), ("", "i"), ("a", "")])
def test_tokens_of_anybody_or_for_anybody_are_not_to_be_had(audience: str, issuer: str, tmp_path: Path) -> None:
    auth_settings = Told(api_jwks=str(tmp_path / "keys"), api_jwt_audience=audience, api_jwt_issuer=issuer)
    with pytest.raises(UsageError, match="UNENROLL_API_JWT_AUDIENCE and UNENROLL_API_JWT_ISSUER"):
        authentication(auth_settings)


@pytest.mark.parametrize("document", [None, b"", b"{}"])
def test_a_file_of_keys_that_cannot_be_used_is_told_at_once(document: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    if document is not None:
        path.write_bytes(document)
    with pytest.raises(SetupError, match="UNENROLL_API_JWKS"):
        authentication(Told(api_jwks=str(path), api_jwt_audience="a", api_jwt_issuer="i"))


def test_a_file_of_secrets_that_cannot_be_used_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="chmod 600"):
        authentication(Told(api_clients_file=write(tmp_path / "clients", line("crm"), mode=0o644)))


async def test_both_ways_may_stand_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(USUAL)
    known = authentication(
        Told(
            api_clients_file=write(tmp_path / "clients", line("crm")),
            api_jwks=str(tmp_path / "keys"),
            api_jwt_audience="a",
            api_jwt_issuer="i",
        )
    )
    assert (await known.caller("Basic " + basic("crm"))).name == "crm"
