"""One server for all tests that do not wear it out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.auth.guarded_server import Server, served
from api.auth.token_issuer import AUDIENCE, ISSUER, USUAL
from support.secret_files import line, write


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings with secrets and tokens: `crm` may read and write, `reader` may read."""
    folder: Path = tmp_path_factory.mktemp("guards")
    (folder / "keys.json").write_bytes(USUAL)
    clients = write(folder / "clients", line("crm"), line("reader", scopes="unenroll:read"))
    return {
        "api_clients_file": str(clients),
        "api_jwks": str(folder / "keys.json"),
        "api_jwt_audience": AUDIENCE,
        "api_jwt_issuer": ISSUER,
    }


@pytest.fixture(scope="session")
async def server(told: dict[str, str]) -> AsyncIterator[Server]:
    """The small app with the middleware, and short time-outs."""
    async with served(told, body_seconds=1.0, idle_seconds=1) as one:
        yield one
