"""Provides a Kafka and a Postgres: those that the environment names, else embedded ones."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM

from unenroll.errors import UsageError
from unenroll.sandbox.environment import add_block, cache_folder, check_writable, remove_block, sandbox_folders
from unenroll.sandbox.kafka import kafka
from unenroll.sandbox.postgres import postgres
from unenroll.sandbox.process import SandboxError, Say, ServerProcess, run_together

KAFKA = "UNENROLL_KAFKA_BOOTSTRAP_SERVERS"
DATABASE = "UNENROLL_DATABASE_URL"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerAddresses:
    """Kafka's bootstrap servers and Postgres's URL."""

    kafka: str
    database_url: str

    @property
    def environment(self) -> dict[str, str]:
        """The addresses as settings."""
        return {KAFKA: self.kafka, DATABASE: self.database_url}


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerPair:
    """A running Kafka and a running Postgres."""

    kafka: ServerProcess
    postgres: ServerProcess


@asynccontextmanager
async def provide_servers(environment: Mapping[str, str], *, say: Say) -> AsyncIterator[ServerAddresses]:
    """The servers that the environment names, else embedded ones that end with the block.

    Raises UsageError if the environment names only one, and SandboxError if the embedded ones cannot be started.
    """
    if (servers := configured_servers(environment)) is not None:
        yield servers
        return
    async with embedded_servers(cache=cache_folder(environment), say=say) as pair:
        yield addresses(pair)


def configured_servers(environment: Mapping[str, str]) -> ServerAddresses | None:
    """The servers that the environment names, None if it names none. Raises UsageError if it names only one."""
    kafka, database_url = environment.get(KAFKA), environment.get(DATABASE)
    if bool(kafka) != bool(database_url):
        raise UsageError(f"set both {KAFKA} and {DATABASE}, or neither")
    return ServerAddresses(kafka=kafka, database_url=database_url) if kafka and database_url else None


@asynccontextmanager
async def embedded_servers(*, cache: Path, say: Say, data: Path | None = None) -> AsyncIterator[ServerPair]:
    """Run an embedded Kafka and Postgres that end with the block, or with this process, however it dies.

    The folder `data` stays; without it the data are deleted when the servers end. The first start downloads Kafka into
    `cache`. `say` gets a line for each step that takes longer than 2 s. Raises SandboxError if a server cannot be
    started.
    """
    with sandbox_folders(data, cache=cache, say=say) as folders:
        async with AsyncExitStack() as stack:
            servers = await run_together(stack.enter_async_context(start(folders)) for start in (kafka, postgres))
            yield ServerPair(kafka=servers[0], postgres=servers[1])


def addresses(pair: ServerPair) -> ServerAddresses:
    """The addresses of an embedded pair."""
    return ServerAddresses(kafka=pair.kafka.program.address, database_url=pair.postgres.program.address)


Prepare = Callable[[ServerAddresses], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeOptions:
    """The file to write the addresses to, and the folders for data (None: a temporary one) and for downloads."""

    env_file: Path
    data: Path | None
    cache: Path
    say: Say


async def serve(options: ServeOptions, prepare: Prepare) -> None:
    """Run both servers until SIGINT or SIGTERM. When `prepare` is done, `env_file` has their addresses until they end.

    Other lines of that file stay. If the file is new, only its owner can read it, and it is deleted at the end. `say`
    gets a line when a server dies; nothing restarts it. Raises SandboxError if a server cannot be started, or once both
    have died.
    """
    serving = asyncio.ensure_future(_serve(options, prepare))
    with _cancel_on_signal(serving) as signaled:
        try:
            await serving
        except asyncio.CancelledError:
            if not signaled.is_set():
                raise


async def _serve(options: ServeOptions, prepare: Prepare) -> None:
    check_writable(options.env_file)
    remove_block(options.env_file)  # a killed run may have left addresses of servers that no longer run
    async with embedded_servers(data=options.data, cache=options.cache, say=options.say) as pair:
        await prepare(addresses(pair))
        add_block(options.env_file, addresses(pair).environment)
        try:
            options.say(f"Kafka and Postgres are ready; their addresses are in {options.env_file}")
            await asyncio.gather(_watch(pair.kafka, options.say), _watch(pair.postgres, options.say))
        finally:
            remove_block(options.env_file)
    raise SandboxError("both Kafka and Postgres have died")


async def _watch(server: ServerProcess, say: Say) -> None:
    code = await server.wait()
    say(
        f"{server.program.name} has died with exit code {code}; the sandbox does not restart it."
        f" The last lines of its log:\n{server.log_tail()}"
    )


@contextmanager
def _cancel_on_signal(serving: "asyncio.Future[None]") -> Iterator[asyncio.Event]:
    """Cancel `serving` on SIGINT or SIGTERM. The event is set then."""
    signaled, loop = asyncio.Event(), asyncio.get_running_loop()

    def stop() -> None:
        signaled.set()
        serving.cancel()

    for number in (SIGINT, SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield signaled
    finally:
        for number in (SIGINT, SIGTERM):
            loop.remove_signal_handler(number)
