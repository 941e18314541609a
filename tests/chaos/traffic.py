"""Publishes a workload's events bit by bit while servers fail, with probes in between."""

import threading
import time
from dataclasses import dataclass, field, replace
from itertools import count

from aiokafka.partitioner import DefaultPartitioner

from checker.bad_records import bad_records
from support.account_histories import tick
from support.arrivals import PARTITIONS, Arrival, all_records, record_of
from support.producer import Stream
from support.topics import NewRecord
from support.workload import Workload
from unenroll.core.events import EventId, UnenrollRequested

_PAUSE_SECONDS = 0.05  # so that a lane is hardly ever idle


@dataclass(kw_only=True)
class Traffic:
    """Spreads the workload's records over `seconds`. Afterwards it publishes probes only.

    A probe is a request that the worker answers at once: one for each lane at a time.
    """

    workload: Workload
    coming: Arrival
    stream: Stream
    seconds: float
    probes: list[UnenrollRequested] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Publish until `stop`, and then all that is left. Fails if the broker stays down."""
        lanes = _customer_of_each_lane()
        left = all_records(self.coming)
        total = {word: len(records) for word, records in left.items()}
        began = time.monotonic()
        while not self._stopping.wait(_PAUSE_SECONDS):
            part = min((time.monotonic() - began) / self.seconds, 1)
            self._put_what_is_due(left, {word: round(many * (1 - part)) for word, many in total.items()})
            self.stream.put("requests", [self._probe(customer) for customer in lanes])
        self._put_what_is_due(left, dict.fromkeys(left, 0))
        if self.coming.way.keyed:  # else a conflict might come before what it contradicts
            self.stream.put("facts", bad_records(self.workload))

    def stop(self) -> None:
        self._stopping.set()

    def with_probes(self) -> Workload:
        """The workload, with the probes among the refused requests."""
        return replace(self.workload, refused=(*self.workload.refused, *self.probes))

    def _put_what_is_due(self, left: dict[str, list[NewRecord]], stay: dict[str, int]) -> None:
        for word, records in left.items():
            due = records[: len(records) - stay[word]]
            self.stream.put(word, due)
            del records[: len(due)]

    def _probe(self, customer_id: int) -> NewRecord:
        """A request of an invalid customer."""
        group = self.workload.groups[0]
        probe = UnenrollRequested(
            key=EventId(f"probe {len(self.probes)}", "/probe"),
            time=tick(10**9),
            customer_id=customer_id,
            group_id=group.group_id,
            target_id=next(iter(group.targets)),
            effective_at=tick(0),
        )
        self.probes.append(probe)
        return record_of(probe)


def _customer_of_each_lane() -> list[int]:
    places = list(range(PARTITIONS))
    partition_of = DefaultPartitioner()
    found: dict[int, int] = {}
    for number in count(1):
        found.setdefault(partition_of(b"%d" % -number, places, places), -number)
        if len(found) == PARTITIONS:
            break
    return list(found.values())
