"""The embedded pair: started together, ended together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from unenroll.sandbox.kafka import kafka
from unenroll.sandbox.patience import Say
from unenroll.sandbox.place import place
from unenroll.sandbox.postgres import postgres
from unenroll.sandbox.server import Server
from unenroll.sandbox.together import together


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A running Kafka and a running Postgres."""

    kafka: Server
    postgres: Server


@asynccontextmanager
async def embedded(*, cache: Path, say: Say, data: Path | None = None) -> AsyncIterator[Pair]:
    """Both servers, answering. They end with the body, or with this process, however it dies.

    `data` is a folder that is kept, without it the data go when the servers end. Raises SandboxError if they cannot be
    had. The first start ever downloads Kafka into `cache`; whatever takes longer than 2 s is said.
    """
    with place(data, cache=cache, say=say) as where:
        async with AsyncExitStack() as ending:
            servers = await together(ending.enter_async_context(start(where)) for start in (kafka, postgres))
            yield Pair(kafka=servers[0], postgres=servers[1])
