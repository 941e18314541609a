"""The commands plan, apply and replay, run as an operator runs them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.deployment import Deployment
from support.events import leave_record, three_rewards
from support.files import CommandResult, command, leave_line
from support.topics import ConsumedRecord, NewRecord, produce
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import make_topics
from unenroll.settings import KafkaSettings


def requests(*customers: int, at: str = "2026-03-15T00:00:00Z") -> list[str]:
    """One request to leave milestone ABC in March for each customer."""
    return [leave_line(customer, at=at) for customer in customers]


@dataclass(frozen=True, kw_only=True)
class PlanFile:
    """A plan file, and the JSON that the command printed."""

    path: Path
    said: dict[str, Any]

    @property
    def totals(self) -> dict[str, Any]:
        return dict(self.said["plan"]["totals"])

    def lines(self) -> list[dict[str, Any]]:
        """The requests of the plan."""
        return [json.loads(line) for line in self.path.read_text().splitlines()[1:]]

    def predicted(self) -> list[str]:
        """The predicted outcome of each request."""
        return [line["predicted"]["outcome"] for line in self.lines()]

    def events(self) -> dict[str, tuple[str, Any]]:
        """The type and data of each event to publish, by its id."""
        events = (event for line in self.lines() for event in line["predicted"]["events"])
        return {event["id"]: (event["type"], event["data"]) for event in events}


def plan(folder: Path, lines: Iterable[str], *options: str, environment: Mapping[str, str], code: int = 0) -> PlanFile:
    """Plan the requests with the real command."""
    file = folder / "requests.ndjson"
    file.write_text("".join(f"{line}\n" for line in lines))
    path = folder / "requests.ndjson.plan"
    path.unlink(missing_ok=True)
    said = command("plan", str(file), "--json", *options, environment=environment)
    assert said.code == code, said
    return PlanFile(path=path, said=json.loads(said.out))


def apply_plan(plan_file: Path, *options: str, environment: Mapping[str, str], code: int = 0) -> dict[str, Any]:
    """Apply the plan with the real command and return its JSON."""
    said = command("apply", str(plan_file), "--json", *options, environment=environment)
    assert said.code == code, said
    return dict(json.loads(said.out))


INPUTS = ("facts", "requests")
BROKEN = NewRecord(key=b"7", value=b"{")


def replay(deployment: Deployment, *arguments: str, **settings: str) -> CommandResult:
    """Run the real command `replay`."""
    return command("replay", *arguments, environment={**deployment.environment, **settings})


def run_replay(deployment: Deployment, *arguments: str) -> dict[str, Any]:
    """Run a replay that succeeds and return its JSON."""
    said = replay(deployment, *arguments, "--json")
    assert said.code == 0, said
    found: dict[str, Any] = json.loads(said.out)
    return found


def publish_everything(deployment: Deployment, customers: Iterable[int]) -> None:
    """Publish facts and requests of these customers, with a duplicate, an unreadable record and a conflict."""
    everybody = list(customers)
    deployment.publish(with_time(line) for customer in everybody for line in three_rewards(customer))
    deployment.catch_up()  # else a leave may be read before its facts
    first = everybody[0]
    other = leave_record(first, at="2026-04-15T00:00:00Z")
    deployment.request([*map(leave_record, everybody), leave_record(first), BROKEN, other])


def with_time(line: str) -> str:
    """Turn a line for `load` into one for `publish`."""
    fields = json.loads(line)
    return json.dumps({"time": "2026-01-01T00:00:00Z", **fields})


async def copy_topics(deployment: Deployment, records: Mapping[str, Iterable[ConsumedRecord]]) -> str:
    """Create topics with another prefix, 2 partitions and these records. Returns the prefix."""
    prefix = f"{deployment.prefix}copy."
    settings = KafkaSettings(kafka_bootstrap_servers=deployment.kafka, topic_prefix=prefix)
    await make_topics(KafkaAdmin(settings), prefix, partitions=2, replication=1)
    for word, found in records.items():
        produce(
            deployment.kafka,
            prefix + word,
            [NewRecord(key=one.key, value=one.value, headers=list(one.headers)) for one in found],
        )
    return prefix


def lines_of(found: Iterable[ConsumedRecord]) -> list[str]:
    """The readable records, as lines for `publish`."""
    return [_line(one) for one in found if one.header("ce_id")]


def _line(record: ConsumedRecord) -> str:
    kind = str(record.header("ce_type")).removeprefix("unenroll.").removesuffix(".v1")
    fields = {name: record.header(f"ce_{name}") for name in ("source", "id", "time")}
    return json.dumps({"type": kind, **fields, "data": record.data})
