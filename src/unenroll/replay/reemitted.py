"""What a replay of decisions came to: its result, and the report of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from unenroll.moments import clock_time
from unenroll.replay.marked import REPLAY_ID, Again
from unenroll.report.sheet import Sheet, counts
from unenroll.store.replays import Replay


@dataclass(frozen=True, kw_only=True, slots=True)
class Reemitted:
    """How many messages were published again on each topic, by this run, or would be without `dry_run`.

    `finished`: nothing of the replay is left, since the `finished_before` if it is not None.
    """

    replay_id: str
    dry_run: bool
    finished: bool
    finished_before: datetime | None
    published: Mapping[str, int]


def reemitted(replay: Replay, published: Mapping[str, int], *, dry_run: bool, finished: bool) -> Reemitted:
    """The result of a run of the replay, which published so many messages to each topic."""
    return Reemitted(
        replay_id=replay.replay_id,
        dry_run=dry_run,
        finished=finished,
        finished_before=replay.finished_at,
        published={topic.value: published.get(topic, 0) for topic in Again},
    )


def sheet(result: Reemitted) -> Sheet:
    """The report."""
    return Sheet(
        title=f"Replay {result.replay_id}" + (" (dry run)" if result.dry_run else ""),
        sentences=tuple(_sentences(result)),
        tables=(counts("Messages, by topic", result.published.items()),),
    )


def _sentences(result: Reemitted) -> Iterator[str]:
    if result.finished_before is not None:
        yield f"It was finished on {clock_time(result.finished_before)}: nothing was published again."
        return
    total = sum(result.published.values())
    done = "would be published again" if result.dry_run else "were published again by this run"
    yield f"{total:,} messages {done}, each with the header {REPLAY_ID}: {result.replay_id}."
    if not result.finished:
        yield "It was stopped before its end."
