"""A stronghold with its topics and tables, made with the real commands by who has just the rights for it."""

import json

from support.events import ABC, enrollment_line, leave_record
from support.secure_servers import SecureServers
from support.topics import ConsumedRecord, consume, produce
from support.workers import run_command


async def fortified(stronghold: SecureServers) -> SecureServers:
    """Topics by who makes topics, tables by who owns them, and milestone ABC by an operator."""
    stronghold.admit()
    run_command("topics", "--partitions", "1", environment=stronghold.environment("topics", "reader"))
    run_command("migrate", environment=stronghold.environment("topics", "owner"))
    await stronghold.run_file("grants.sql", role="owner")
    facts = stronghold.folder / "facts.ndjson"
    abc = json.dumps({"type": "TargetGroupDefined", "id": "g11", "data": ABC})
    facts.write_text("\n".join([abc, *map(enrollment_line, range(1, 9))]) + "\n")
    run_command("load", str(facts), environment=stronghold.environment("operator", "operator"))
    return stronghold


def asks(stronghold: SecureServers, customer: int) -> None:
    """The customer asks to leave."""
    produce(stronghold.kafka.open, f"{stronghold.prefix}requests", [leave_record(customer)])


def publish(stronghold: SecureServers, line: str) -> None:
    """By the real command, and as an operator."""
    file = stronghold.folder / "told.ndjson"
    file.write_text(f"{line}\n")
    run_command("publish", str(file), environment=stronghold.environment("operator", "operator"))


def left(stronghold: SecureServers) -> list[ConsumedRecord]:
    """Who has left, as everybody can see."""
    return consume(stronghold.kafka.open, stronghold.prefix, ["unenrollments"])
