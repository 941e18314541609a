"""What the dashboard and the alerts ask can be asked, and each alert says what to do."""

import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from agree.pages import ROOT
from deploy.metrics import OF_PROMETHEUS, OURS, series
from deploy.panels import ALERTS, DASHBOARD, Question, of_the_dashboard, of_the_rules, panels
from unenroll.kafka.topics import read_topics

RUNBOOK = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
ALL = [*of_the_dashboard(), *of_the_rules()]
SERIES = series()
MADE_BY_RULES = {"ALERTS", "unenroll:partitions"}


def parts(question: Question) -> list[Any]:
    """All parts of a query. Raises ValueError if it cannot be read."""
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(question.text), pre_visit=found.append)
    return found


def selectors(question: Question) -> Iterator[Any]:
    for part in parts(question):
        if isinstance(part, promql_parser.VectorSelector):
            yield part
        elif isinstance(part, promql_parser.MatrixSelector):
            yield part.vector_selector


@pytest.mark.parametrize("question", ALL, ids=lambda question: question.asked_by)
def test_only_metrics_are_asked_for_that_there_are(question: Question) -> None:
    names = {selector.name for selector in selectors(question)}
    assert names - SERIES.keys() - MADE_BY_RULES == set()


@pytest.mark.parametrize("question", ALL, ids=lambda question: question.asked_by)
def test_only_labels_are_asked_for_that_the_metric_has(question: Question) -> None:
    for selector in selectors(question):
        if selector.name not in MADE_BY_RULES:
            asked = {matcher.name for matcher in selector.matchers.matchers}
            assert asked - {*SERIES[selector.name].labels, *OF_PROMETHEUS} == set()


@pytest.mark.parametrize("question", ALL, ids=lambda question: question.asked_by)
def test_what_is_grouped_by_is_a_label_of_what_is_grouped(question: Question) -> None:
    has = {
        label
        for selector in selectors(question)
        for label in SERIES.get(selector.name, SERIES["process_open_fds"]).labels
    }
    grouped = {
        label
        for part in parts(question)
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier is not None
        for label in part.modifier.labels
    }
    assert grouped - has - OF_PROMETHEUS == set()


@pytest.mark.parametrize("question", ALL, ids=lambda question: question.asked_by)
def test_a_counter_is_asked_for_how_fast_it_grows(question: Question) -> None:
    bare = {part.name for part in parts(question) if isinstance(part, promql_parser.VectorSelector)}
    ranged = {part.vector_selector.name for part in parts(question) if isinstance(part, promql_parser.MatrixSelector)}
    counters = {name for name, metric in SERIES.items() if metric.kind in {"counter", "histogram"}}
    assert (bare - ranged) & counters == set()


def test_every_metric_of_ours_has_a_panel() -> None:
    asked = {selector.name for question in of_the_dashboard() for selector in selectors(question)}
    families = {re.sub("_(bucket|sum|count)$", "", str(name)) for name in asked}
    assert OURS.keys() - families == set()


def test_each_alert_has_its_section_in_the_runbook_and_each_section_its_alert() -> None:
    assert [alert["alert"] for alert in ALERTS] == sorted({alert["alert"] for alert in ALERTS}, key=order)
    assert set(re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)) == {alert["alert"] for alert in ALERTS}


def order(name: str) -> int:
    return [alert["alert"] for alert in ALERTS].index(name)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"warning", "critical"}
    result = alert["annotations"]
    assert result.keys() == {"summary", "description", "runbook_url"}
    page, _, place = result["runbook_url"].partition("#")
    assert page == "https://example.com/unenroll/docs/runbook.md"
    assert place == alert["alert"].lower()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_is_tried_by_promtool(alert: dict[str, Any]) -> None:
    tried = (ROOT / "deploy/prometheus/rules_test.yaml").read_text(encoding="utf-8")
    assert f'alertname="{alert["alert"]}"' in tried


@pytest.mark.parametrize("alert", [alert["alert"] for alert in ALERTS])
def test_a_section_of_the_runbook_says_what_it_means_what_to_look_at_and_what_to_do(alert: str) -> None:
    text = RUNBOOK.partition(f"\n## {alert}\n")[2].partition("\n## ")[0]
    assert {"Means", "Look at"} <= set(re.findall(r"\*\*([A-Z][\w ]+)\*\*", text))
    assert re.search(r"\*\*[Dd]o\*\*", text) or "| do |" in text


def test_the_alerts_expect_as_many_lanes_as_there_are_partitions() -> None:
    (expected,) = [question.text for question in of_the_rules() if question.asked_by == "unenroll:partitions"]
    assert expected == f"vector({read_topics(ROOT / 'deploy/kafka/topics.toml').partitions})"


def test_each_panel_says_what_it_shows_and_has_a_place_of_its_own() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_each_panel_asks_the_prometheus_and_the_namespace_that_are_chosen() -> None:
    names = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert names == {"datasource", "namespace"}
    for panel in panels():
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
        assert all('namespace=~"$namespace"' in target["expr"] for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert all(
            set(re.findall(r"\$\{?(\w+)", target["expr"])) <= {"namespace", "__rate_interval"}
            for target in panel["targets"]
        )


def test_the_panels_that_a_runbook_names_are_there() -> None:
    titles = {panel["title"] for panel in panels()}
    named = {" ".join(name.split()) for name in re.findall(r"(?<![*\w])\*([A-Z][^*]+)\*(?!\*)", RUNBOOK)}
    assert named
    assert {name for name in named if not any(title.startswith(name) for title in titles)} == set()
