"""The embedded servers in the foreground, for `unenroll sandbox`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM

from unenroll.sandbox.embedded import embedded
from unenroll.sandbox.env_file import add_block, check_writable, remove_block
from unenroll.sandbox.errors import SandboxError
from unenroll.sandbox.patience import Say
from unenroll.sandbox.server import Server
from unenroll.sandbox.servers import Servers, addresses

Prepare = Callable[[Servers], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """Where to write the addresses, where to keep data (None: nowhere) and downloads, and whom to tell."""

    env_file: Path
    data: Path | None
    cache: Path
    say: Say


async def serve(options: Serving, prepare: Prepare) -> None:
    """Runs both servers until SIGINT or SIGTERM; `env_file` has their addresses from after `prepare` until they end.

    Lines of others in it stay. A file that was not there is readable by its owner only, and goes again. A server that
    dies is said once and not started again. Raises SandboxError if the servers cannot be had, or once both have died.
    """
    serving = asyncio.ensure_future(_serve(options, prepare))
    with _asked_to_stop(serving) as asked:
        try:
            await serving
        except asyncio.CancelledError:
            if not asked.is_set():
                raise


async def _serve(options: Serving, prepare: Prepare) -> None:
    check_writable(options.env_file)
    remove_block(options.env_file)  # what a killed run left there would look like an answer
    async with embedded(data=options.data, cache=options.cache, say=options.say) as pair:
        await prepare(addresses(pair))
        add_block(options.env_file, addresses(pair).environment)
        try:
            options.say(f"Kafka and Postgres answer, their addresses are in {options.env_file}")
            await asyncio.gather(_watch(pair.kafka, options.say), _watch(pair.postgres, options.say))
        finally:
            remove_block(options.env_file)
    raise SandboxError("Kafka and Postgres have both died")


async def _watch(server: Server, say: Say) -> None:
    code = await server.ended()
    say(f"{server.program.name} has died, exit code {code}, and is not started again. {server.last_words()}")


@contextmanager
def _asked_to_stop(serving: "asyncio.Future[None]") -> Iterator[asyncio.Event]:
    """Set once SIGINT or SIGTERM has cancelled `serving`."""
    asked, loop = asyncio.Event(), asyncio.get_running_loop()

    def stop() -> None:
        asked.set()
        serving.cancel()

    for by in (SIGINT, SIGTERM):
        loop.add_signal_handler(by, stop)
    try:
        yield asked
    finally:
        for by in (SIGINT, SIGTERM):
            loop.remove_signal_handler(by)
