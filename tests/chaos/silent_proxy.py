"""A proxy whose connections can fall silent: it reads and acknowledges what comes, and carries nothing on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_PIECE = 65536
_MOST_CHARACTERS = 100
_CLIENTS = ("aiokafka", "rdkafka", "unenroll")


@dataclass(eq=False)
class Link:
    """One connection. `client` is the client id of its last request, `asked` has the API keys of all."""

    silent: bool = False
    client: str = ""
    asked: set[int] = field(default_factory=set)

    def note(self, request: bytes) -> None:
        """Read the header of a request of Kafka: size, API key, version, correlation id, client id."""
        length = int.from_bytes(request[12:14], "big")
        client = request[14 : 14 + length]
        if client.isascii() and len(client) == length < _MOST_CHARACTERS:  # else it is a part of a request
            self.asked.add(int.from_bytes(request[4:6], "big"))
            self.client = client.decode()


@dataclass
class SilentProxy:
    """Carries connections to the address that `target` returns."""

    target: Callable[[], tuple[str, int]]
    port: int = 0
    links: set[Link] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def silence(self, *keys: int, but: Collection[Link] = ()) -> int:
        """Silence the connections that have carried requests of these API keys; none: all. Returns how many.

        Not those in `but`, and not those on which the broker talks to itself.
        """
        clients = [link for link in self.links.difference(but) if link.client.startswith(_CLIENTS)]
        chosen = [link for link in clients if not keys or link.asked.intersection(keys)]
        for link in chosen:
            link.silent = True
        return len(chosen)

    def silence_all(self) -> int:
        """Silence all connections, whatever they carry. Returns how many."""
        for link in self.links:
            link.silent = True
        return len(self.links)

    async def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until a side ends it."""
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await asyncio.open_connection(*self.target())
        except OSError:
            writer.close()
            return
        link = Link()
        self.links.add(link)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, to_server, link, note=True))
                both.create_task(_pump(server, writer, link, note=False))
        finally:
            self.links.discard(link)
            writer.close()
            to_server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link, *, note: bool) -> None:
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            if note:
                link.note(piece)
            if not link.silent:
                writer.write(piece)
                await writer.drain()
    if not link.silent:
        writer.close()


@asynccontextmanager
async def silent_proxy(target: Callable[[], tuple[str, int]]) -> AsyncIterator[SilentProxy]:
    """Run the proxy on a free port."""
    proxy = SilentProxy(target)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield proxy
        finally:
            await proxy.close()
