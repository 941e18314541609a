"""Offsets as tables: colors on a terminal, plain lines in a pipe."""

from collections.abc import Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from unenroll.ops.offsets.set import OffsetsResult, PartitionChange
from unenroll.ops.offsets.show import GroupOffsets, LaneStanding, PartitionStanding
from unenroll.postgres.offset_changes import OffsetChanges
from unenroll.text import clock_time, plain, print_table, table

_NOTHING = "\N{EN DASH}"
_PARTITIONS = ("topic", "partition", "committed", "sequence", "decided", "first", "end", "goes on at", "")
_LANES = ("lane", "epoch", "decisions", "published", "")
_MOVES = ("move", "when", "by", "partitions", "why", "")
_SET = ("topic", "partition", "before", "now", "left out")


def render_standing(standing: GroupOffsets, file: TextIO) -> str:
    """How offsets stand, as it is to be shown in this file."""
    return print_table(_standing(standing), file)


def render_set(done: OffsetsResult, file: TextIO) -> str:
    """What was set, as it is to be shown in this file."""
    return print_table(_set(done), file)


def _standing(standing: GroupOffsets) -> Iterator[RenderableType]:
    members = ", ".join(standing.members) or "nobody"
    yield Text(f"Group {standing.group_id} of topics {standing.topic_prefix}*", "bold")
    yield plain(f"In the group: {members}")
    yield Text("\nPartitions", "bold")
    yield table(_PARTITIONS, (_partition(one, standing.topic_prefix) for one in standing.partitions))
    topics = {one.topic: one.topic_id for one in standing.partitions}
    yield Text(f"Topic ids: {', '.join(f'{name} {topic_id}' for name, topic_id in topics.items())}", "dim")
    yield Text("\nLanes", "bold")
    yield table(_LANES, map(_lane, standing.lanes)) if standing.lanes else Text("  none")
    if standing.moves:
        yield Text("\nSet by people, the latest first", "bold")
        yield table(_MOVES, map(_move, standing.moves))


def _set(done: OffsetsResult) -> Iterator[RenderableType]:
    yield Text("Would set" if done.dry_run else f"Set, as move {done.move_id}", "bold")
    yield table(_SET, map(_place, done.places))


def _partition(one: PartitionStanding, prefix: str) -> Iterator[Text]:
    yield plain(one.topic.removeprefix(prefix))
    for number in (one.partition, one.committed, one.sequence, one.decided, one.first, one.end, one.goes_on_at):
        yield Text(_NOTHING if number is None else str(number))
    yield plain(one.refused, "red") if one.refused else plain(one.remark or "", "yellow")


def _lane(lane: LaneStanding) -> Iterator[Text]:
    for number in (lane.lane, lane.epoch, lane.sequence, lane.published):
        yield Text(str(number))
    yield (
        Text("no topic has its partition any more: a worker publishes the rest when it starts", "yellow")
        if (lane.gone)
        else Text("")
    )


def _move(move: OffsetChanges) -> Iterator[Text]:
    yield Text(str(move.move_id))
    yield Text(clock_time(move.asked_at))
    yield plain(move.by)
    yield Text(str(len(move.places)))
    yield plain(move.why)
    yield Text("") if move.done_at else Text("broken off: Kafka may say either", "red")


def _place(place: PartitionChange) -> Iterator[Text]:
    yield plain(place.topic)
    for number in (place.partition, place.before, place.offset):
        yield Text(_NOTHING if number is None else str(number))
    yield Text(str(place.skipped), "red") if place.skipped else Text("")
