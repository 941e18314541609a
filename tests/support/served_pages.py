"""What a command serves over HTTP, as a test reads it: metrics, health, and HTML pages."""

import http.client
from dataclasses import dataclass
from html.parser import HTMLParser
from json import loads
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from support.workers import RunningCommand

SERVE_STATUS = {"UNENROLL_HTTP_ADDRESS": "127.0.0.1:0"}
_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class StatusPages:
    """The metrics and health pages of a running command."""

    command: RunningCommand

    def get(self, path: str) -> tuple[int, str]:
        """GET the page: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def json(self, path: str) -> tuple[int, Any]:
        """GET the page: status and parsed JSON."""
        status, body = self.get(path)
        return status, loads(body)

    def metrics(self) -> dict[str, float]:
        """The value of each sample, by its name and label values."""
        _, text = self.get("/metrics")
        return {
            " ".join([sample.name, *(value for _, value in sorted(sample.labels.items()))]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    @property
    def _port(self) -> int:
        self.command.wait_for_log('"metrics_listening"')
        lines = (line for line in self.command.output().splitlines() if '"metrics_listening"' in line)
        return int(loads(next(lines))["address"].rpartition(":")[2])


_UNSEEN = {"style", "script"}


class ParsedPage(HTMLParser):
    """An HTML page: its text, its elements and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._elements: list[tuple[str, dict[str, str]]] = []
        self._pieces: list[str] = []
        self._within: str = ""
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        """The visible text, each run of white space as one space."""
        return " ".join("".join(self._pieces).split())

    def elements(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each element with this tag, in order."""
        return [attributes for name, attributes in self._elements if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes |= set(attributes)
        self._elements.append((tag, attributes))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within not in _UNSEEN:
            self._pieces.append(data)
