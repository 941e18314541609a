"""A proxy to Postgres that cuts connections around a COMMIT."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

_PIECE = 65536
_COMMIT = b"COMMIT;\0"


class Moment(Enum):
    """When the proxy cuts the connection."""

    BEFORE = "before COMMIT"
    """Postgres never receives the COMMIT."""

    DURING = "during COMMIT"
    """Postgres receives the COMMIT, and its client is gone."""

    AFTER = "after COMMIT"
    """Postgres has committed, and the client does not get the answer."""


@dataclass
class CuttingProxy:
    """The proxy: its URL, the number of COMMITs left to cut, and the number to drop before Postgres gets them.

    `behind`: it cuts only connections that have carried these bytes before.
    """

    database_url: str
    left: int
    moment: Moment
    behind: bytes
    _to: tuple[str, int]
    lost: int = 0
    _silent: set[asyncio.Event] = field(default_factory=set)
    _commit: asyncio.Event = field(default_factory=asyncio.Event)
    _ways: set[asyncio.Task[None]] = field(default_factory=set)

    async def commit_passes(self, *, seconds: float) -> None:
        """Return when the next COMMIT passes, or after this many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._commit.wait(), seconds)

    def silence(self) -> None:
        """Let all connections of now fall silent: what comes is read and not carried on. New connections work."""
        for silent in self._silent:
            silent.set()

    def carry(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        """Carry one connection until a side ends it or the proxy cuts it."""
        way = asyncio.create_task(self._carry(client, answer))
        self._ways.add(way)
        way.add_done_callback(self._ways.discard)

    async def close(self) -> None:
        """End all connections."""
        for way in self._ways:
            way.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)

    async def _carry(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        async with _closing(answer):
            try:
                server, ask = await asyncio.open_connection(*self._to)
            except OSError:  # Postgres is away
                return
            cut, silent = asyncio.Event(), asyncio.Event()
            self._silent.add(silent)
            try:
                async with _closing(ask), asyncio.TaskGroup() as both:
                    both.create_task(_carry_back(server, answer, cut, silent))
                    with suppress(OSError):
                        await self._carry_on(client, ask, cut, silent)
                    ask.close()
                    if cut.is_set() and self.moment is not Moment.AFTER:
                        answer.close()
            finally:
                self._silent.discard(silent)

    async def _carry_on(
        self, client: asyncio.StreamReader, ask: asyncio.StreamWriter, cut: asyncio.Event, silent: asyncio.Event
    ) -> None:
        armed = False
        while piece := await client.read(_PIECE):
            if silent.is_set():
                continue
            armed, commit = armed or self.behind in piece, _COMMIT in piece
            if commit and self._stops(cut, armed=armed):
                return
            ask.write(piece)
            await ask.drain()
            if commit:
                self._commit.set()
                self._commit.clear()
            if cut.is_set() and self.moment is Moment.DURING:
                return

    def _stops(self, cut: asyncio.Event, *, armed: bool) -> bool:
        """Whether to drop this COMMIT. Marks the connection if it is to be cut."""
        if armed and self.left:
            self.left -= 1
            cut.set()
            return self.moment is Moment.BEFORE
        if self.lost:
            self.lost -= 1
            return True
        return False


@asynccontextmanager
async def _closing(end: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        end.close()
        with suppress(OSError):
            await end.wait_closed()


async def _carry_back(
    server: asyncio.StreamReader, answer: asyncio.StreamWriter, cut: asyncio.Event, silent: asyncio.Event
) -> None:
    with suppress(OSError):
        while (piece := await server.read(_PIECE)) and not cut.is_set():
            if not silent.is_set():
                answer.write(piece)
                await answer.drain()
    answer.close()


@asynccontextmanager
async def cutting_proxy(
    database_url: str, *, commits: int, moment: Moment = Moment.AFTER, behind: bytes = b""
) -> AsyncIterator[CuttingProxy]:
    """Run a proxy to this database that cuts this many COMMITs."""
    parts = urlsplit(database_url)
    to = (parts.hostname or "", parts.port or 5432)
    cutter = CuttingProxy(database_url="", left=commits, moment=moment, behind=behind, _to=to)
    server = await asyncio.start_server(cutter.carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    cutter.database_url = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
    async with server:
        try:
            yield cutter
        finally:
            await cutter.close()
