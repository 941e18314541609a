"""What a running command shows at its address: metrics and health."""

import http.client
import json
from dataclasses import dataclass
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
