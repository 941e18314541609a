"""`PYTHONPATH=tests python tests/chaos/api_campaign.py`: the HTTP API compared with its own OpenAPI document.

Schemathesis generates calls from the document, the real worker decides, and the document must allow every answer.
Arguments go to schemathesis, which `make campaign-api` installs.
"""

import asyncio
import os
import secrets
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from providers import server_providers
from support.api_process import authorization, deciding_worker, running_api
from support.databases import cloned_database, migrated_database
from support.deployment import Deployment, deploy

_SETTINGS = """\
headers = {{ Authorization = "{authorization}" }}
request-timeout = 30.0
[generation]
max-examples = 40
# A key that was used for another call, and a moment that only some may name, are refused whatever the document allows.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 422]
# No schema says how many digits a number may have.
[[operations]]
include-path-regex = "/enroll$"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404, 409, 422]
"""


async def conforms(*arguments: str) -> int:
    """Run schemathesis and return its exit code."""
    async with (
        server_providers(os.environ, say=_say) as servers,
        migrated_database(servers) as template,
        cloned_database(servers, template) as url,
    ):
        with TemporaryDirectory() as folder:
            prefix = f"campaign-{secrets.token_hex(4)}."
            deployment = Deployment(kafka=servers.kafka, database_url=url, prefix=prefix, folder=Path(folder))
            return _tried(await deploy(deployment), arguments)


def _tried(deployment: Deployment, arguments: tuple[str, ...]) -> int:
    settings = deployment.folder / "schemathesis.toml"
    settings.write_text(_SETTINGS.format(authorization=authorization("clerk")), encoding="utf-8")
    with deciding_worker(deployment), running_api(deployment) as api:
        document = f"http://{api.host}:{api.port}/openapi.json"
        program = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(settings)]
        done = subprocess.run([*program, "run", document, *arguments], cwd=deployment.folder, check=False)
    return done.returncode


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - for a person who waits


if __name__ == "__main__":
    sys.exit(asyncio.run(conforms(*sys.argv[1:])))
