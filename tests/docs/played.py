"""Which pages, or sections of pages, are played, and on what scene: what has to be there before the first block."""

import gzip
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import cramjam

from support.events import leaves, three_rewards
from support.files import event, leave
from support.place import Place
from support.topics import Put
from support.workers import running

Scene = Callable[[Place], AbstractContextManager[Any]]

_LETTERS = 18  # so that the one that the page names is there
_OF_PARTITION_2 = b"39050"


def nothing(place: Place) -> AbstractContextManager[Any]:  # noqa: ARG001 - a scene
    return nullcontext()


def letters(place: Place) -> AbstractContextManager[Any]:
    """Dead letters: all of one partition, as bad keys lie, and one that would heal."""
    place.put("requests", [Put(key=_OF_PARTITION_2, value=f"{{{n}".encode()) for n in range(_LETTERS)])
    place.tell([event("RewardIssued", "paid", rewardId="R", targetId=99, issuedAt="2026-03-01T00:00:00Z")])
    place.catch_up()
    return nullcontext()


def decided(place: Place) -> AbstractContextManager[Any]:
    """Three customers who left, and nobody at work."""
    place.load(line for customer in (1, 2, 3) for line in three_rewards(customer))
    place.request(leaves(customer) for customer in (1, 2, 3))
    place.catch_up()
    return nullcontext()


def at_work(place: Place) -> AbstractContextManager[Any]:
    """The same, files of them, a copy of the topics, and a worker."""
    decided(place)
    (place.folder / "export-1.ndjson.gz").write_bytes(gzip.compress(f"{leave(1)}\n{leave(4)}\n".encode()))
    (place.folder / "export-2.ndjson.zst").write_bytes(bytes(cramjam.zstd.compress(f"{leave(2)}\n".encode())))
    return running("run", environment=place.environment)


def leaving(place: Place) -> AbstractContextManager[Any]:
    """A file of leaves, and a worker."""
    place.load(line for customer in (1, 2, 3) for line in three_rewards(customer))
    (place.folder / "leaves.ndjson").write_text("".join(f"{leave(customer)}\n" for customer in (1, 2, 3)))
    return running("run", environment=place.environment)


PLAYED: Mapping[str, Scene] = {
    "README.md": nothing,  # tests/e2e/test_readme_walk.py plays it
    "docs/tutorial.md": nothing,  # with servers of its own
    "docs/integration.md": nothing,
    "docs/observability.md": nothing,
    "docs/runbook.md": nothing,
    "docs/operations.md#day-to-day": nothing,
    "docs/operations.md#a-year": decided,
    "docs/operations.md#offsets": decided,
    "docs/operations.md#retention-and-pruning": decided,
    "docs/operations.md#backfill": leaving,
    "docs/operations.md#replay": at_work,
    "docs/operations.md#dead-letters": letters,
}
