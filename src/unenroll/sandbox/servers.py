"""A Kafka and a Postgres for whoever needs a pair: those that are named, else embedded ones."""

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
from unenroll.sandbox.process import SandboxError, Say, ServerProcess, start_together


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerPair:
    """A running Kafka and a running Postgres."""

    kafka: ServerProcess
    postgres: ServerProcess


@asynccontextmanager
async def embedded(*, cache: Path, say: Say, data: Path | None = None) -> AsyncIterator[ServerPair]:
    """Both servers, answering. They end with the body, or with this process, however it dies.

    `data` is a folder that is kept, without it the data go when the servers end. Raises SandboxError if they cannot be
    had. The first start ever downloads Kafka into `cache`; whatever takes longer than 2 s is said.
    """
    with sandbox_folders(data, cache=cache, say=say) as where:
        async with AsyncExitStack() as ending:
            servers = await start_together(ending.enter_async_context(start(where)) for start in (kafka, postgres))
            yield ServerPair(kafka=servers[0], postgres=servers[1])


KAFKA = "UNENROLL_KAFKA_BOOTSTRAP_SERVERS"
DATABASE = "UNENROLL_DATABASE_URL"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerAddresses:
    """Where a pair of servers answers: Kafka's bootstrap servers and Postgres's URL."""

    kafka: str
    database_url: str

    @property
    def environment(self) -> dict[str, str]:
        """The same as settings."""
        return {KAFKA: self.kafka, DATABASE: self.database_url}


def configured_servers(environment: Mapping[str, str]) -> ServerAddresses | None:
    """The servers that the environment names, None if it names none. Raises UsageError if it names only one."""
    kafka, database_url = environment.get(KAFKA), environment.get(DATABASE)
    if bool(kafka) != bool(database_url):
        raise UsageError(f"name both servers, {KAFKA} and {DATABASE}, or neither of them")
    return ServerAddresses(kafka=kafka, database_url=database_url) if kafka and database_url else None


def addresses(pair: ServerPair) -> ServerAddresses:
    """Where an embedded pair answers."""
    return ServerAddresses(kafka=pair.kafka.program.address, database_url=pair.postgres.program.address)


@asynccontextmanager
async def provide_servers(environment: Mapping[str, str], *, say: Say) -> AsyncIterator[ServerAddresses]:
    """The servers that the environment names, else embedded ones that end with the body.

    Raises SandboxError that says what is missing if neither can be had.
    """
    if (servers := configured_servers(environment)) is not None:
        yield servers
        return
    async with embedded(cache=cache_folder(environment), say=say) as pair:
        yield addresses(pair)


Prepare = Callable[[ServerAddresses], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeOptions:
    """Where to write the addresses, where to keep data (None: nowhere) and downloads, and whom to tell."""

    env_file: Path
    data: Path | None
    cache: Path
    say: Say


async def serve(options: ServeOptions, prepare: Prepare) -> None:
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


async def _serve(options: ServeOptions, prepare: Prepare) -> None:
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


async def _watch(server: ServerProcess, say: Say) -> None:
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
