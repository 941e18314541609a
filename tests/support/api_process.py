"""The HTTP API as a process of its own, and callers of it."""

import http.client
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import asyncpg
import httpx
from fastapi import FastAPI

from support.deployment import Deployment
from support.secret_files import basic, line, write
from support.workers import RunningCommand, running_command
from unenroll.api.account_routes import routes
from unenroll.api.auth.scopes import ApiScope
from unenroll.cli import main
from unenroll.kafka.idempotent_producer import Publisher
from unenroll.postgres.pool import open_pool
from unenroll.wire.topics import Message

LEAVE = "/targetGroups/11/targets/21/unEnroll"
ENROLL = "/targetGroups/11/targets/21/enroll"
CALLERS = {
    "crm": frozenset({ApiScope.WRITE, ApiScope.READ}),
    "other": frozenset({ApiScope.WRITE}),
    "clerk": frozenset(ApiScope),
    "reader": frozenset({ApiScope.READ}),
}
_DEADLINE_SECONDS = 30.0


def _dying(when: str) -> None:
    publish = Publisher.publish

    async def last(self: Publisher, message: Message) -> None:
        if when == "published":
            await publish(self, message)
        os.kill(os.getpid(), signal.SIGKILL)

    Publisher.publish = last  # type: ignore[method-assign]
    main()


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The answer to a call."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.body)

    @property
    def code(self) -> int:
        """The code of the only error."""
        assert self.json["data"] is None
        assert self.json["warnings"] is None
        (error,) = self.json["errors"]
        assert error["message"]
        return int(error["code"])


@dataclass(frozen=True, kw_only=True)
class ApiProcess:
    """A running HTTP API."""

    command: RunningCommand
    host: str
    port: int

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_DEADLINE_SECONDS)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            reply = connection.getresponse()
            return Reply(status=reply.status, headers=dict(reply.getheaders()), body=reply.read())
        finally:
            connection.close()

    def post(self, path: str, *records: object, key: str | None = None, who: str = "crm", **headers: str) -> Reply:
        """POST these records."""
        named = headers | ({} if key is None else {"Idempotency_Key": key})
        body = json.dumps(records).encode()
        return self.call("POST", path, body, Authorization=authorization(who), Content_Type="application/json", **named)

    def leave(self, customer: object, *, path: str = LEAVE, key: str | None = None, **more: object) -> Reply:
        """POST an un-enroll of the customer."""
        return self.post(path, {"customerId": customer, **more}, key=key)

    def enroll(self, customer: object, *, path: str = ENROLL, key: str | None = None, **more: object) -> Reply:
        """POST an enrollment of the customer."""
        return self.post(path, {"customerId": customer, **more}, key=key)

    def get(self, path: str, *, who: str = "crm") -> Reply:
        return self.call("GET", path, Authorization=authorization(who))


@dataclass(frozen=True, kw_only=True)
class ApiOptions:
    """How to start the HTTP API. `dies` names the moment at which it kills itself, None for never."""

    deployment: Deployment
    dies: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def _own(self) -> dict[str, str]:
        """A free port, the test's callers, and a high rate limit."""
        clients = write(
            self.deployment.folder / "clients", *(line(name, scopes=",".join(may)) for name, may in CALLERS.items())
        )
        return {
            "UNENROLL_API_ADDRESS": "127.0.0.1:0",
            "UNENROLL_API_CLIENTS_FILE": str(clients),
            "UNENROLL_API_RATE": "10000",
            "UNENROLL_API_RATE_BURST": "10000",
        }

    @contextmanager
    def open(self) -> Iterator[ApiProcess]:
        environment = {**self.deployment.environment, **self._own, **self.settings}
        command = RunningCommand(main if self.dies is None else partial(_dying, self.dies), ("api",), environment)
        try:
            command.wait_for_log('"api_listening"')
            lines = (line for line in command.output().splitlines() if "api_listening" in line)
            host, _, port = json.loads(next(lines))["address"].rpartition(":")
            yield ApiProcess(command=command, host=host, port=int(port))
        finally:
            command.end()


def running_api(deployment: Deployment, *, dies: str | None = None, **settings: str) -> Any:  # noqa: ANN401 - a context manager
    """Run the HTTP API of the place until the end of the block."""
    return ApiOptions(deployment=deployment, dies=dies, settings=settings).open()


@contextmanager
def deciding_worker(deployment: Deployment) -> Iterator[None]:
    """Run the real worker while the block runs, so that it decides the calls. At the end it publishes all decisions."""
    quick = {"UNENROLL_BATCH_RECORDS": "100"}
    with running_command("run", environment=deployment.environment | quick) as worker:
        worker.wait_for_log('"lane_opened"', times=4)
        yield
        worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 0, worker.output()


def authorization(who: str) -> str:
    """The Authorization header of the caller."""
    return f"Basic {basic(who)}"


PAGE = {"Accept": "text/html"}


def read_only_app(pool: asyncpg.Pool) -> FastAPI:
    """An app with the read routes only."""
    app = FastAPI()
    app.include_router(routes(pool=lambda: pool, reader=lambda: None))
    return app


@asynccontextmanager
async def read_client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the read routes on this database."""
    async with open_pool(database_url) as pool:
        transport = httpx.ASGITransport(read_only_app(pool))
        async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as client:
            yield client
