"""Which pages, or sections of pages, are played, and on what scene: what has to be there before the first block."""

import gzip
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import cramjam

from support.deployment import Deployment
from support.events import leave_record, three_rewards
from support.files import event_line, leave_line
from support.topics import NewRecord
from support.workers import running_command

Scene = Callable[[Deployment], AbstractContextManager[Any]]

_LETTERS = 18  # so that the one that the page names is there
_OF_PARTITION_2 = b"39050"


def nothing(deployment: Deployment) -> AbstractContextManager[Any]:  # noqa: ARG001 - a scene
    return nullcontext()


def letters(deployment: Deployment) -> AbstractContextManager[Any]:
    """Dead letters: all of one partition, as bad keys lie, and one that would heal."""
    deployment.produce("requests", [NewRecord(key=_OF_PARTITION_2, value=f"{{{n}".encode()) for n in range(_LETTERS)])
    deployment.publish([event_line("RewardIssued", "paid", rewardId="R", targetId=99, issuedAt="2026-03-01T00:00:00Z")])
    deployment.catch_up()
    return nullcontext()


def decided(deployment: Deployment) -> AbstractContextManager[Any]:
    """Three customers who left, and nobody at work."""
    deployment.load(line for customer in (1, 2, 3) for line in three_rewards(customer))
    deployment.request(leave_record(customer) for customer in (1, 2, 3))
    deployment.catch_up()
    return nullcontext()


def at_work(deployment: Deployment) -> AbstractContextManager[Any]:
    """The same, files of them, a copy of the topics, and a worker."""
    decided(deployment)
    (deployment.folder / "export-1.ndjson.gz").write_bytes(
        gzip.compress(f"{leave_line(1)}\n{leave_line(4)}\n".encode())
    )
    (deployment.folder / "export-2.ndjson.zst").write_bytes(bytes(cramjam.zstd.compress(f"{leave_line(2)}\n".encode())))
    return running_command("run", environment=deployment.environment)


def leaving(deployment: Deployment) -> AbstractContextManager[Any]:
    """A file of leaves, and a worker."""
    deployment.load(line for customer in (1, 2, 3) for line in three_rewards(customer))
    (deployment.folder / "leaves.ndjson").write_text("".join(f"{leave_line(customer)}\n" for customer in (1, 2, 3)))
    return running_command("run", environment=deployment.environment)


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
