"""How long a call at the HTTP API takes, end to end: `make bench-api`.

Calls come at a constant rate, whatever happens, over open connections; one worker decides. Prints p50, p99 and the
most in milliseconds, from when a call's turn came to the last byte of its answer.
"""

import argparse
import asyncio
import json
import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from benchmarks.fleet import Site, fleet, site
from benchmarks.latency_client import Latencies
from benchmarks.processes import python, running_programs
from benchmarks.shared_servers import shared_ground
from benchmarks.variants import workers
from benchmarks.workload import BEGINNING, CYCLE, GROUP_ID, TARGET_ID, Workload
from unenroll.api.auth.clients import hash_of
from unenroll.api.auth.scopes import ApiScope
from unenroll.sandbox.environment import LOOPBACK, free_ports
from unenroll.sandbox.servers import provide_servers

_PATH = f"/targetGroups/{GROUP_ID}/targets/{TARGET_ID}/unEnroll"
_NAME, _SECRET = "bench", secrets.token_hex(16)
_KNOWN_BY = b64encode(f"{_NAME}:{_SECRET}".encode()).decode()
_HEAD = (
    f"POST {_PATH} HTTP/1.1\r\nHost: api\r\nAuthorization: Basic {_KNOWN_BY}\r\n"
    "Content-Type: application/json\r\nContent-Length: "
)
_CONNECTIONS = 64
_WARM_UP = 50
_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 30.0


class Caller:
    """A connection that stays open, one call at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def call(self, customer: int) -> dict[str, object]:
        """The answer to a wish to leave. Raises ValueError for anything but a success."""
        body = json.dumps([{"customerId": customer}])
        self._writer.write(f"{_HEAD}{len(body)}\r\n\r\n{body}".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        answer: dict[str, object] = json.loads(await self._reader.readexactly(length))
        if not head.startswith("http/1.1 200") or answer["data"] != customer:
            raise ValueError(f"customer {customer} was answered {head.splitlines()[0]} {answer}")
        return answer


async def measure(address: str, customers: list[int], *, rate: float) -> Latencies:
    """What the calls took, behind some to warm up."""
    host, _, port = address.rpartition(":")
    free: asyncio.Queue[Caller] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        free.put_nowait(Caller(*await asyncio.open_connection(host, int(port))))

    async def one(customer: int, at: float) -> float:
        await asyncio.sleep(at - monotonic())
        caller = await free.get()
        await caller.call(customer)
        took = monotonic() - at
        free.put_nowait(caller)
        return took

    began = monotonic() + 0.1
    took = await asyncio.gather(*(one(customer, began + nth / rate) for nth, customer in enumerate(customers)))
    return Latencies.of(took[_WARM_UP:])


@contextmanager
def open_front(where: Site) -> Iterator[str]:
    """The address of an HTTP API beside the worker."""
    (port,) = free_ports(1)
    address = f"{LOOPBACK}:{port}"
    with TemporaryDirectory() as folder:
        clients = Path(folder) / "clients"
        clients.touch(mode=0o600)
        clients.write_text(f"{_NAME} {ApiScope.WRITE} {hash_of(_SECRET)}\n", encoding="utf-8")
        own = {"UNENROLL_API_ADDRESS": address, "UNENROLL_API_CLIENTS_FILE": str(clients)}
        with running_programs({**where.environment, **own}, [python("unenroll", "api")]) as (one,):
            deadline = monotonic() + _PATIENCE_SECONDS
            while not _answers(port):
                one.check()
                if monotonic() > deadline:
                    raise SystemExit("the HTTP API does not start:\n" + one.last_words())
                sleep(_LOOK_SECONDS)
            yield address


def _answers(port: int) -> bool:
    with socket() as line:
        return line.connect_ex((LOOPBACK, port)) == 0


async def main(*, rate: int, seconds: int) -> None:
    """One worker, one HTTP API."""
    count = rate * seconds + _WARM_UP
    workload = Workload(requests=count, accounts=count, cycles=(datetime.now(UTC) - BEGINNING) // CYCLE + 3)
    async with (
        provide_servers({}, say=print) as servers,
        shared_ground(servers, workload, peer_requests=0) as place,
        site(place, workers(1), workload) as where,
        fleet(where),
    ):
        with open_front(where) as address:
            found = await measure(address, [workload.leaving(index) for index in range(count)], rate=rate)
    print(json.dumps({"calls_a_second": rate, **asdict(found)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=50, help="calls a second")
    parser.add_argument("--seconds", type=int, default=60)
    chosen = parser.parse_args()
    asyncio.run(main(rate=chosen.rate, seconds=chosen.seconds))
