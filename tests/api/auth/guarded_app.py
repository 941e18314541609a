"""A small app with the middleware, in a process of its own: `served.py SETTINGS_AND_LIMITS_AS_JSON` prints its port."""

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from pydantic import BaseModel

from api.auth.settings import Told
from unenroll.api.auth.authentication import required_scopes
from unenroll.api.auth.clients import Caller
from unenroll.api.auth.scopes import ApiScope
from unenroll.api.limits import RequestLimits
from unenroll.api.middleware import guard, server_options
from unenroll.logs import configure_logging

Reader = Annotated[Caller, Depends(required_scopes(ApiScope.READ))]
Writer = Annotated[Caller, Depends(required_scopes(ApiScope.WRITE))]


class Record(BaseModel):
    customerId: int  # noqa: N815 - as callers know it


def application() -> FastAPI:  # noqa: C901 - a list of small paths
    """The app without the middleware."""
    app = FastAPI(redirect_slashes=False)
    released = asyncio.Event()

    @app.get("/healthz")
    async def healthz(*, release: bool = False) -> str:
        if release:
            released.set()
        return "well"

    @app.get("/customers/{customer_id}")
    async def customer(customer_id: int, caller: Reader) -> dict[str, str | int]:
        return {"customer": customer_id, "caller": caller.name}

    @app.post("/targetGroups/{group_id}/targets/{target_id}/unEnroll")
    async def leave(group_id: int, target_id: int, records: list[Record], caller: Writer) -> dict[str, object]:
        return {"data": records[0].customerId, "caller": caller.name, "place": [group_id, target_id]}

    @app.post("/size")
    async def size(request: Request, _: Writer) -> int:
        return len(await request.body())

    @app.post("/hold")
    async def hold(_: Writer) -> str:
        await released.wait()
        return "held"

    @app.get("/broken")
    async def broken() -> str:
        raise RuntimeError("the reason is only for the log")

    @app.get("/forgotten")
    async def forgotten() -> str:
        return "this path forgot to say what it needs"

    @app.get("/page")
    async def page() -> Response:
        return Response("<p>", headers={"Content-Security-Policy": "style-src 'self'", "Cache-Control": "max-age=60"})

    return app


async def main() -> None:
    """Serves until it is ended."""
    configure_logging(None)
    arguments = json.loads(sys.argv[1])
    clients = arguments["settings"].pop("api_clients_file", None)
    settings = Told(api_clients_file=None if clients is None else Path(clients), **arguments["settings"])
    limits = RequestLimits(**arguments["limits"])
    app = application()
    guard(app, settings, limits=limits)
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(app, log_config=None, access_log=False, **server_options(limits))
    await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(main())
