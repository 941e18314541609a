"""What is so at the moment when it is asked for, read from the board."""

from collections.abc import Iterator
from time import time

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from unenroll.observe import families
from unenroll.observe.board import Board
from unenroll.observe.families import Family


class ServerGauges(Collector):
    """The servers that a process needs, and its connections to Postgres."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """As Prometheus reads it."""
        answers = _gauge(families.SERVER_ANSWERS)
        for server, away in self._board.servers.items():
            answers.add_metric([server], away is None)
        yield answers
        idle, size, most = self._board.pool()
        connections = _gauge(families.POOL_CONNECTIONS)
        connections.add_metric(["idle"], idle)
        connections.add_metric(["in_use"], size - idle)
        yield connections
        yield _single(families.POOL_MOST, most)


class LaneGauges(Collector):
    """The lanes of a worker. A lane that another worker has is told of by that one alone."""

    def __init__(self, board: Board, *, topic_prefix: str) -> None:
        self._board = board
        self._prefix = topic_prefix

    def collect(self) -> Iterator[Metric]:
        """As Prometheus reads it."""
        lanes = self._board.lanes
        yield _single(families.LANES_ASSIGNED, len(lanes))
        yield _single(families.LANES_OPEN, sum(lane.open for lane in lanes.values()))
        yield _single(families.LAST_PROGRESS, self._board.progress_at)
        lags, oldest = _gauge(families.LAG_RECORDS), _gauge(families.OLDEST_SECONDS)
        for number, lane in lanes.items():
            oldest.add_metric([str(number)], 0.0 if lane.oldest is None else max(0.0, time() - lane.oldest))
            for topic, lag in lane.lags.items():
                lags.add_metric([str(number), topic.removeprefix(self._prefix)], lag)
        yield lags
        yield oldest


def _gauge(family: Family) -> GaugeMetricFamily:
    return GaugeMetricFamily(family.name, family.meaning, labels=family.labels)


def _single(family: Family, value: float) -> Metric:
    return GaugeMetricFamily(family.name, family.meaning, value=value)
