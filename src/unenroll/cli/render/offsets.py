"""Render results of `unenroll offsets`: colors on a terminal, plain lines in a pipe."""

from collections.abc import Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from unenroll.ops.offsets.set import OffsetsResult, PartitionChange
from unenroll.ops.offsets.show import GroupOffsets, LaneSequence, PartitionState
from unenroll.postgres.offset_changes import OffsetChanges
from unenroll.text import clock_time, plain, render_text, table

_NOTHING = "\N{EN DASH}"
_PARTITIONS = ("topic", "partition", "committed", "sequence", "decided", "first", "end", "resumes at", "")
_LANES = ("lane", "epoch", "decisions", "published", "")
_CHANGES = ("change", "when", "by", "partitions", "why", "")
_SET = ("topic", "partition", "before", "now", "skipped")


def render_offsets(offsets: GroupOffsets, file: TextIO) -> str:
    """Return the text of the group's offsets for this file."""
    return render_text(_offsets(offsets), file)


def render_set(result: OffsetsResult, file: TextIO) -> str:
    """Return the text of the changes for this file."""
    return render_text(_set(result), file)


def _offsets(offsets: GroupOffsets) -> Iterator[RenderableType]:
    yield Text(f"Group {offsets.group_id} of topics {offsets.topic_prefix}*", "bold")
    yield plain(f"Members: {', '.join(offsets.members) or 'none'}")
    yield Text("\nPartitions", "bold")
    yield table(_PARTITIONS, (_partition(one, offsets.topic_prefix) for one in offsets.partitions))
    topic_ids = {one.topic: one.topic_id for one in offsets.partitions}
    yield Text(f"Topic ids: {', '.join(f'{name} {topic_id}' for name, topic_id in topic_ids.items())}", "dim")
    yield Text("\nLanes", "bold")
    yield table(_LANES, map(_lane, offsets.lanes)) if offsets.lanes else Text("  none")
    if offsets.changes:
        yield Text("\nLast changes by operators", "bold")
        yield table(_CHANGES, map(_operator_change, offsets.changes))


def _partition(partition: PartitionState, prefix: str) -> Iterator[Text]:
    yield plain(partition.topic.removeprefix(prefix))
    for number in (
        partition.partition,
        partition.committed,
        partition.sequence,
        partition.decided,
        partition.first,
        partition.end,
        partition.resumes_at,
    ):
        yield _number(number)
    yield plain(partition.refused, "red") if partition.refused else plain(partition.remark or "", "yellow")


def _lane(lane: LaneSequence) -> Iterator[Text]:
    for number in (lane.lane, lane.epoch, lane.sequence, lane.published):
        yield _number(number)
    gone = "no input topic has this partition: the next worker publishes the rest when it starts"
    yield Text(gone, "yellow") if lane.gone else Text("")


def _operator_change(change: OffsetChanges) -> Iterator[Text]:
    yield Text(str(change.change_id))
    yield Text(clock_time(change.asked_at))
    yield plain(change.by)
    yield Text(str(len(change.partitions)))
    yield plain(change.why)
    yield Text("") if change.done_at else Text("interrupted: Kafka may have the old or the new offsets", "red")


def _set(result: OffsetsResult) -> Iterator[RenderableType]:
    yield Text("Would set" if result.dry_run else f"Set, as change {result.change_id}", "bold")
    yield table(_SET, map(_change, result.partitions))


def _change(change: PartitionChange) -> Iterator[Text]:
    yield plain(change.topic)
    for number in (change.partition, change.before, change.offset):
        yield _number(number)
    yield Text(str(change.skipped), "red") if change.skipped else Text("")


def _number(number: int | None) -> Text:
    return Text(_NOTHING if number is None else str(number))
