"""The questions that the dashboard asks, and those of the alerts."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from agree.pages import ROOT

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text(encoding="utf-8"))
RULES: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text(encoding="utf-8"))
ALERTS: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]

_FILLED_IN = {"$__rate_interval": "1m", "$namespace": ".*"}


class Question(NamedTuple):
    """A query, and who asks it."""

    asked_by: str
    text: str


def panels() -> list[dict[str, Any]]:
    """The panels that ask something."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def of_the_dashboard() -> list[Question]:
    """What the panels ask, with Grafana's variables filled in."""
    return [
        Question(panel["title"], _filled_in(target["expr"])) for panel in panels() for target in panel["targets"]
    ] + [Question(note["name"], note["expr"]) for note in DASHBOARD["annotations"]["list"]]


def of_the_rules() -> Iterator[Question]:
    """What the rules ask."""
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield Question(rule.get("alert") or rule["record"], rule["expr"])


def _filled_in(text: str) -> str:
    for name, value in _FILLED_IN.items():
        text = text.replace(name, value)
    return text
