"""A stronghold with its topics and tables, made with the real commands by who has just the rights for it."""

import json

from support.events import ABC, enrolled, leaves
from support.secure_servers import SecureServers
from support.topics import Seen, put, seen
from support.workers import run


async def fortified(stronghold: SecureServers) -> SecureServers:
    """Topics by who makes topics, tables by who owns them, and milestone ABC by an operator."""
    stronghold.admit()
    run("topics", "--partitions", "1", environment=stronghold.environment("topics", "reader"))
    run("migrate", environment=stronghold.environment("topics", "owner"))
    await stronghold.run_file("grants.sql", role="owner")
    facts = stronghold.folder / "facts.ndjson"
    abc = json.dumps({"type": "TargetGroupDefined", "id": "g11", "data": ABC})
    facts.write_text("\n".join([abc, *map(enrolled, range(1, 9))]) + "\n")
    run("load", str(facts), environment=stronghold.environment("operator", "operator"))
    return stronghold


def asks(stronghold: SecureServers, customer: int) -> None:
    """The customer asks to leave."""
    put(stronghold.kafka.open, f"{stronghold.prefix}requests", [leaves(customer)])


def publish(stronghold: SecureServers, line: str) -> None:
    """By the real command, and as an operator."""
    file = stronghold.folder / "told.ndjson"
    file.write_text(f"{line}\n")
    run("publish", str(file), environment=stronghold.environment("operator", "operator"))


def left(stronghold: SecureServers) -> list[Seen]:
    """Who has left, as everybody can see."""
    return seen(stronghold.kafka.open, stronghold.prefix, ["unenrollments"])
