"""A histogram that takes the values of a whole batch at once: sorted, then counted bucket by bucket."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from unenroll.observe.families import Family


class Ages(Collector):
    """The histograms of a family with one label, whose values are `names`."""

    def __init__(self, family: Family, names: Iterable[str]) -> None:
        self._family = family
        self._counts = {name: [0] * (len(family.buckets) + 1) for name in names}
        self._sums = dict.fromkeys(self._counts, 0.0)

    def take(self, name: str, values: list[float]) -> None:
        """Count the values, which are sorted here."""
        values.sort()
        counts, before = self._counts[name], 0
        for place, bound in enumerate(self._family.buckets):
            upto = bisect_right(values, bound)
            counts[place] += upto - before
            before = upto
        counts[-1] += len(values) - before
        self._sums[name] += sum(values)

    def collect(self) -> Iterator[Metric]:
        """As Prometheus reads it."""
        told = HistogramMetricFamily(self._family.name, self._family.meaning, labels=self._family.labels)
        bounds = [*(f"{float(bound)}" for bound in self._family.buckets), "+Inf"]
        for name, counts in self._counts.items():
            below, upto = 0, []
            for bound, count in zip(bounds, counts, strict=True):
                below += count
                upto.append((bound, below))
            told.add_metric([name], buckets=upto, sum_value=self._sums[name])
        yield told
