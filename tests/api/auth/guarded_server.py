"""The small app as a process, and calls to it byte by byte."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def said(self) -> Any:  # noqa: ANN401 - JSON
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def is_envelope(self) -> bool:
        """Whether it is a refusal in the form that callers know, and nothing more."""
        (error,) = self.said["errors"]
        rest = {name: value for name, value in self.said.items() if name != "errors"}
        return rest == {"data": None, "warnings": None} and error["code"] == self.status and bool(error["message"])


@dataclass(kw_only=True)
class Server:
    """A process that serves."""

    port: int
    process: asyncio.subprocess.Process
    log: bytearray = field(default_factory=bytearray)

    async def connect(self, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection, from this address of this machine."""
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))

    async def ask(self, raw: bytes, *, source: str = "127.0.0.1", seconds: float = 15) -> Answer:
        """What is answered to these bytes on a connection of their own."""
        async with asyncio.timeout(seconds):
            reader, writer = await self.connect(source)
            try:
                writer.write(raw)
                return await answer(reader)
            finally:
                writer.transport.abort()

    async def get(self, path: str, *headers: str, source: str = "127.0.0.1") -> Answer:
        """What is answered to a GET."""
        return await self.ask(call("GET", path, *headers), source=source)

    @property
    def rss_mib(self) -> int:
        """The memory that the process has now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) // 1024


def call(method: str, path: str, *headers: str, body: bytes | None = None) -> bytes:
    """The bytes of a call."""
    length = () if body is None else (f"Content-Length: {len(body)}",)
    lines = [f"{method} {path} HTTP/1.1", "Host: api.example", *headers, *length, "", ""]
    return "\r\n".join(lines).encode() + (body or b"")


async def answer(reader: asyncio.StreamReader) -> Answer:
    """The next answer on the connection. Raises IncompleteReadError if it was closed before."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(status=int(head[0].split()[1]), headers=headers, body=body)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Whether nothing more comes on the connection. Waits for it."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


@asynccontextmanager
async def served(settings: Mapping[str, object], **limits: float) -> AsyncIterator[Server]:
    """The server, until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api.auth.guarded_app",
        json.dumps({"settings": settings, "limits": limits}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    reading = None
    try:
        first = await process.stdout.readline()
        assert first, (await process.stderr.read()).decode()
        server = Server(port=int(first), process=process)
        reading = asyncio.create_task(_follow(process.stderr, server.log))
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if reading is not None:
            await reading


async def _follow(stream: asyncio.StreamReader, log: bytearray) -> None:
    while piece := await stream.read(65536):
        log += piece
