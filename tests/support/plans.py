"""Plans made and applied by the real commands."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.files import command, leave


def requests(*customers: int, at: str = "2026-03-15T00:00:00Z") -> list[str]:
    """Each of the customers wants to leave milestone ABC in March."""
    return [leave(customer, at=at) for customer in customers]


@dataclass(frozen=True, kw_only=True)
class PlanMade:
    """A plan in a file, and what the command said of it."""

    path: Path
    said: dict[str, Any]

    @property
    def totals(self) -> dict[str, Any]:
        return dict(self.said["plan"]["totals"])

    def lines(self) -> list[dict[str, Any]]:
        """Its requests."""
        return [json.loads(line) for line in self.path.read_text().splitlines()[1:]]

    def predicted(self) -> list[str]:
        """What each request is to get."""
        return [line["predicted"]["outcome"] for line in self.lines()]

    def events(self) -> dict[str, tuple[str, Any]]:
        """By id: the events that are to be published."""
        told = (event for line in self.lines() for event in line["predicted"]["events"])
        return {event["id"]: (event["type"], event["data"]) for event in told}


def plan(folder: Path, lines: Iterable[str], *options: str, environment: Mapping[str, str], code: int = 0) -> PlanMade:
    """Make a plan of the lines with the real command."""
    file = folder / "requests.ndjson"
    file.write_text("".join(f"{line}\n" for line in lines))
    path = folder / "requests.ndjson.plan"
    path.unlink(missing_ok=True)
    said = command("plan", str(file), "--json", *options, environment=environment)
    assert said.code == code, said
    return PlanMade(path=path, said=json.loads(said.out))


def applied(plan_file: Path, *options: str, environment: Mapping[str, str], code: int = 0) -> dict[str, Any]:
    """What the real command says of the plan that it applies."""
    said = command("apply", str(plan_file), "--json", *options, environment=environment)
    assert said.code == code, said
    return dict(json.loads(said.out))
