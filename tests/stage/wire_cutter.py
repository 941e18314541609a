"""A way to Postgres that is cut at the worst moments: behind a COMMIT, before its answer is heard, or before it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_PIECE = 65536


@dataclass
class Cutter:
    """Where the way begins, and how many COMMITs are still to be left unanswered, and then to be lost."""

    database_url: str
    left: int
    _to: tuple[str, int]
    lost: int = 0
    _commit: asyncio.Event = field(default_factory=asyncio.Event)

    async def commit_passes(self, *, seconds: float) -> None:
        """Return when the next COMMIT is under way, or after so many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._commit.wait(), seconds)

    async def carry(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it or it is cut."""
        try:
            server, ask = await asyncio.open_connection(*self._to)
        except OSError:  # Postgres is away
            answer.close()
            return
        cut = asyncio.Event()
        back = asyncio.create_task(_carry_back(server, answer, cut))
        with suppress(OSError):
            while piece := await client.read(_PIECE):
                if self.left and b"COMMIT;\0" in piece:
                    self.left -= 1
                    cut.set()
                elif self.lost and b"COMMIT;\0" in piece:
                    self.lost -= 1
                    break
                ask.write(piece)
                await ask.drain()
                if b"COMMIT;\0" in piece:
                    self._commit.set()
                    self._commit.clear()
        ask.close()
        await back


async def _carry_back(server: asyncio.StreamReader, answer: asyncio.StreamWriter, cut: asyncio.Event) -> None:
    with suppress(OSError):
        while (piece := await server.read(_PIECE)) and not cut.is_set():
            answer.write(piece)
            await answer.drain()
    answer.close()


@asynccontextmanager
async def cutting(database_url: str, *, commits: int) -> AsyncIterator[Cutter]:
    """The way to this database, cut at that many COMMITs."""
    parts = urlsplit(database_url)
    cutter = Cutter(database_url="", left=commits, _to=(parts.hostname or "", parts.port or 5432))
    server = await asyncio.start_server(cutter.carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    cutter.database_url = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
    async with server:
        yield cutter
