"""How long the disk itself takes to make a few bytes durable: what no answer can be faster than."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from time import perf_counter

_PAUSE_SECONDS = 0.05  # seldom enough to hold nobody up
_BYTES = bytes(512)


@dataclass(frozen=True, slots=True)
class Syncs:
    """What single syncs took, in milliseconds."""

    took: list[float] = field(default_factory=list)

    def share(self, of: float) -> float:
        """The time within which this share of them was done."""
        ordered = sorted(self.took)
        return round(ordered[min(int(len(ordered) * of), len(ordered) - 1)], 1)


@contextmanager
def watched_disk() -> Iterator[Syncs]:
    """Sync a file again and again beside whatever happens in the body."""
    syncs, over = Syncs(), Event()
    with tempfile.TemporaryFile() as file:
        thread = Thread(target=_sync, args=(file.fileno(), syncs, over))
        thread.start()
        try:
            yield syncs
        finally:
            over.set()
            thread.join()


def _sync(file: int, syncs: Syncs, over: Event) -> None:
    while True:
        began = perf_counter()
        os.pwrite(file, _BYTES, 0)
        os.fdatasync(file)
        syncs.took.append((perf_counter() - began) * 1000)
        if over.wait(_PAUSE_SECONDS):
            return
