"""A made-up process: it says every metric that the dashboard asks for, and counts on each time it is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, product
from threading import Thread

from deploy.metrics import OF_THE_CLIENT, OURS, Metric

_VALUES = {
    "topic": ("requests", "facts"),
    "outcome": ("unenrolled", "refused", "dead_lettered"),
    "step": ("gather", "save"),
    "since": ("event", "append"),
    "lane": ("0", "7"),
    "cause": ("kafka", "lane_lost"),
    "server": ("kafka", "postgres"),
    "state": ("idle", "in_use"),
    "status": ("200", "503"),
}
_BOUNDS = ("0.1", "1", "10", "+Inf")


def page(times_asked: int) -> str:
    """What is answered to this scrape."""
    return "".join(
        f"{line}\n" for name, metric in {**OURS, **OF_THE_CLIENT}.items() for line in _lines(name, metric, times_asked)
    )


@contextmanager
def made_up() -> Iterator[str]:
    """Where it can be scraped, as host:port."""
    asked = count(1)

    class TokenHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page(next(asked)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody wants to read it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), TokenHandler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _lines(name: str, metric: Metric, times: int) -> Iterator[str]:
    yield f"# TYPE {name} {metric.kind}"
    for values in product(*(_VALUES.get(label, ("some",)) for label in metric.labels)):
        labels = dict(zip(metric.labels, values, strict=True))
        if metric.kind != "histogram":
            yield f"{name}{_told(labels)} {times if metric.kind == 'counter' else 1}"
            continue
        for number, bound in enumerate(_BOUNDS, start=1):
            yield f"{name}_bucket{_told({**labels, 'le': bound})} {number * times}"
        yield f"{name}_sum{_told(labels)} {times}"
        yield f"{name}_count{_told(labels)} {len(_BOUNDS) * times}"


def _told(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""
