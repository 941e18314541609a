"""A real Prometheus answers what every panel asks, and takes the alerts: `make test-dashboard`.

It scrapes made-up processes, or those that SCRAPE names (host:port, with commas between them): then it is the real
metrics that have to answer. What a quiet worker has never counted has no answer; ALLOW_EMPTY=1 lets that pass.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from agree.pages import ROOT
from deploy.panels import Question, of_the_dashboard
from deploy.scraped import made_up
from unenroll.sandbox.environment import free_ports

pytestmark = pytest.mark.prometheus
SCRAPES = 5
QUESTIONS = [question for question in of_the_dashboard() if "ALERTS" not in question.text]


class Prometheus:
    def __init__(self, address: str) -> None:
        self._address = address

    def ask(self, path: str, **parameters: object) -> Any:  # noqa: ANN401 - any JSON
        with urlopen(f"http://{self._address}/api/v1/{path}?{urlencode(parameters)}", timeout=10) as answer:
            found = json.load(answer)
        assert found["status"] == "success", found
        return found["data"]

    def has_scraped(self) -> bool:
        try:
            found = self.ask("query", query=f"min(count_over_time(up[5m])) >= {SCRAPES} and min(up) == 1")
        except OSError:
            return False
        return bool(found["result"])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    program = shutil.which("prometheus")
    assert program, "there is no prometheus on the path"
    folder = tmp_path_factory.mktemp("prometheus")
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with ExitStack() as stack:
        targets = os.environ.get("SCRAPE") or stack.enter_context(made_up())
        (folder / "prometheus.yml").write_text(configuration(targets.split(",")), encoding="utf-8")
        log = stack.enter_context((folder / "log").open("wb"))
        process = stack.enter_context(subprocess.Popen(command(program, folder, address), stdout=log, stderr=log))
        stack.callback(process.terminate)
        found = Prometheus(address)
        wait(found, process, folder / "log")
        yield found


def configuration(targets: list[str]) -> str:
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ROOT / "deploy/prometheus/rules.yaml")],
            "scrape_configs": [
                {
                    "job_name": "unenroll",
                    "static_configs": [{"targets": targets, "labels": {"namespace": "unenroll"}}],
                }
            ],
        }
    )


def command(program: str, folder: Path, address: str) -> list[str]:
    return [
        program,
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    ]


def wait(prometheus: Prometheus, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while not prometheus.has_scraped():
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.2)  # asked again until it has


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.asked_by)
def test_a_panel_is_answered(prometheus: Prometheus, question: Question) -> None:
    now = time.time()
    found = prometheus.ask("query_range", query=question.text, start=now - 60, end=now, step=5)
    assert found["resultType"] == "matrix"
    assert found["result"] or os.environ.get("ALLOW_EMPTY"), question.text


def test_the_namespaces_can_be_chosen(prometheus: Prometheus) -> None:
    assert prometheus.ask("label/namespace/values", **{"match[]": "unenroll_build_info"}) == ["unenroll"]


def test_the_alerts_are_taken_and_can_be_evaluated(prometheus: Prometheus) -> None:
    deadline = time.monotonic() + 30
    while True:
        rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        if {rule["health"] for rule in rules} == {"ok"}:
            return
        assert time.monotonic() < deadline, [(rule["name"], rule.get("lastError")) for rule in rules]
        time.sleep(0.2)  # asked again until each was evaluated
