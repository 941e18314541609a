"""The embedded servers in the foreground, for `unenroll sandbox`."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM
from tempfile import NamedTemporaryFile

from unenroll.errors import UsageError
from unenroll.sandbox.embedded import embedded
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
    """Runs both servers until SIGINT or SIGTERM; `env_file` appears, readable by its owner only, after `prepare`.

    A server that dies is said once and not started again. Raises SandboxError if the servers cannot be had, or once
    both have died.
    """
    serving = asyncio.ensure_future(_serve(options, prepare))
    with _asked_to_stop(serving) as asked:
        try:
            await serving
        except asyncio.CancelledError:
            if not asked.is_set():
                raise


async def _serve(options: Serving, prepare: Prepare) -> None:
    _clear(options.env_file)
    async with embedded(data=options.data, cache=options.cache, say=options.say) as pair:
        await prepare(addresses(pair))
        _write(options.env_file, addresses(pair).environment)
        options.say(f"Kafka and Postgres answer, their addresses are in {options.env_file}")
        await asyncio.gather(_watch(pair.kafka, options.say), _watch(pair.postgres, options.say))
    raise SandboxError("Kafka and Postgres have both died")


async def _watch(server: Server, say: Say) -> None:
    code = await server.ended()
    say(f"{server.program.name} has died, exit code {code}, and is not started again. {server.last_words()}")


def _clear(env_file: Path) -> None:
    if not os.access(env_file.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{env_file} cannot be written: name a file in a folder that exists and is yours")
    env_file.unlink(missing_ok=True)  # what an earlier run left there would look like an answer


def _write(env_file: Path, settings: Mapping[str, str]) -> None:
    # Another name until it is whole: whoever waits for the file reads all of it or nothing.
    with NamedTemporaryFile("w", dir=env_file.parent, prefix=f".{env_file.name}-", delete=False) as unfinished:
        unfinished.writelines(f"{key}={value}\n" for key, value in settings.items())
    Path(unfinished.name).replace(env_file)


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
