"""Committed offsets during the run, and what was visible at the same moment."""

from collections.abc import Iterator
from itertools import pairwise

from checker.evidence import Evidence, named, number_of
from checker.history import Sample
from unenroll.postgres.lanes import LaneRow


def committed_offsets_never_go_back(found: Evidence) -> Iterator[str]:
    """Neither the offset nor the number beside it."""
    for before, after in pairwise(found.history.samples):
        for place, (offset, metadata) in before.committed.items():
            later, beside = after.committed.get(place, (-1, ""))
            if later < offset or number_of(beside) < number_of(metadata):
                yield f"{place} was committed at {offset} ({metadata}), and later at {later} ({beside})"


def offsets_and_outputs_moved_together(found: Evidence) -> Iterator[str]:
    """At every sample: what the committed number covers was in the topics, and nothing above it was visible."""
    for moment, sample in enumerate(found.history.samples):
        for lane in found.history.lanes:
            numbers = found.published(sample, lane.partition)
            if len(numbers) > 1:
                yield f"at sample {moment}, lane {lane.partition} had committed the numbers {sorted(numbers)}"
                continue
            yield from _together(found, sample, lane, number=max(numbers), moment=moment)


def _together(found: Evidence, sample: Sample, lane: LaneRow, *, number: int, moment: int) -> Iterator[str]:
    for decision in found.decisions:
        if decision.lane_id != lane.lane_id:
            continue
        for output in decision.outputs:
            spot = found.visible_at.get(output)
            if spot is None:
                continue  # another invariant's business
            topic, partition, offset = spot
            if decision.sequence <= number and offset >= sample.high.get((topic, partition), 0):
                yield f"at sample {moment}, {number} was committed, and {named(output)} was not in the topic yet"
            if decision.sequence > number and offset < sample.stable.get((topic, partition), 0):
                yield f"at sample {moment}, {number} was committed, and {named(output)} was visible already"


def offsets_stand_behind_their_number(found: Evidence) -> Iterator[str]:
    """At every sample: what was decided up to the committed number lies below the offset, all else behind it."""
    partitions = {lane.lane_id: lane.partition for lane in found.history.lanes}
    for moment, sample in enumerate(found.history.samples):
        for decision in found.decisions:
            topic, partition, offset = decision.spot
            if partition != partitions.get(decision.lane_id):
                yield f"decision {decision[:2]} was read from {decision.spot}, which is not its lane's"
                continue
            committed, metadata = sample.committed.get((topic, partition), (0, "unenroll/1 sequence=0"))
            if (decision.sequence <= number_of(metadata)) != (offset < committed):
                yield f"at sample {moment}, {committed} ({metadata}) was committed, and {decision[:2]} read at {offset}"
