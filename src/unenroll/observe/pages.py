"""What is served: /metrics, /healthz and /readyz."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder


class Answer(NamedTuple):
    """A status, a content type and a body."""

    status: int
    content_type: str
    body: bytes


Page = Callable[[str], Answer]
"""An answer, by what the caller accepts."""


def pages(
    registry: CollectorRegistry, *, alive: Callable[[], Answer], ready: Callable[[], Answer]
) -> Mapping[str, Page]:
    """By path."""

    def metrics(accepts: str) -> Answer:
        encode, content_type = choose_encoder(accepts)
        return Answer(200, content_type, encode(registry))

    return {"/metrics": metrics, "/healthz": lambda _: alive(), "/readyz": lambda _: ready()}
