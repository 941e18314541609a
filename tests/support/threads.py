"""Work in a thread of its own, beside whatever else goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def beside(work: Callable[[Event], None]) -> Iterator[None]:
    """The work goes on until the block ends: then the event that it was given is set, and its end is waited for."""
    stopping = Event()
    thread = Thread(target=work, args=(stopping,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
