"""What a command serves over HTTP, as a test reads it: metrics, health, and HTML pages."""

import http.client
import json
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from support.workers import Running

SHOWN = {"UNENROLL_HTTP_ADDRESS": "127.0.0.1:0"}
_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The pages of a command that serves them."""

    command: Running

    def get(self, path: str) -> tuple[int, str]:
        """The status and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def told(self, path: str) -> tuple[int, Any]:
        """The status and the JSON."""
        status, body = self.get(path)
        return status, json.loads(body)

    def metrics(self) -> dict[str, float]:
        """The value of each sample, by its name and the values of its labels in their order."""
        _, text = self.get("/metrics")
        return {
            " ".join([sample.name, *(value for _, value in sorted(sample.labels.items()))]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    @property
    def _port(self) -> int:
        self.command.wait_to_say('"metrics_listening"')
        lines = (line for line in self.command.output().splitlines() if '"metrics_listening"' in line)
        return int(json.loads(next(lines))["address"].rpartition(":")[2])


_UNSEEN = {"style", "script"}


class Looked(HTMLParser):
    """A page that was looked through from its beginning to its end."""

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
        """What is written on it, each run of white space as one space."""
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
