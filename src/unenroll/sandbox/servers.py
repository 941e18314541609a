"""A Kafka and a Postgres for whoever needs a pair: those that are named, else embedded ones."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from unenroll.errors import UsageError
from unenroll.sandbox.embedded import Pair, embedded
from unenroll.sandbox.patience import Say
from unenroll.sandbox.place import cache_folder

KAFKA = "UNENROLL_KAFKA_BOOTSTRAP_SERVERS"
DATABASE = "UNENROLL_DATABASE_URL"


@dataclass(frozen=True, kw_only=True, slots=True)
class Servers:
    """Where a pair of servers answers: Kafka's bootstrap servers and Postgres's URL."""

    kafka: str
    database_url: str

    @property
    def environment(self) -> dict[str, str]:
        """The same as settings."""
        return {KAFKA: self.kafka, DATABASE: self.database_url}


def named(environment: Mapping[str, str]) -> Servers | None:
    """The servers that the environment names, None if it names none. Raises UsageError if it names only one."""
    kafka, database_url = environment.get(KAFKA), environment.get(DATABASE)
    if bool(kafka) != bool(database_url):
        raise UsageError(f"name both servers, {KAFKA} and {DATABASE}, or neither of them")
    return Servers(kafka=kafka, database_url=database_url) if kafka and database_url else None


def addresses(pair: Pair) -> Servers:
    """Where an embedded pair answers."""
    return Servers(kafka=pair.kafka.program.address, database_url=pair.postgres.program.address)


@asynccontextmanager
async def provided(environment: Mapping[str, str], *, say: Say) -> AsyncIterator[Servers]:
    """The servers that the environment names, else embedded ones that end with the body.

    Raises SandboxError that says what is missing if neither can be had.
    """
    if (servers := named(environment)) is not None:
        yield servers
        return
    async with embedded(cache=cache_folder(environment), say=say) as pair:
        yield addresses(pair)
