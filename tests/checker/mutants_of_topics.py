"""What Kafka holds, changed as no sound worker would have left it."""

from collections.abc import Iterable
from dataclasses import replace

from checker.history import End, History
from checker.mutants import Mutants, kept_in
from support.topics import ConsumedRecord
from unenroll.kafka.committed_offsets import metadata

OF_TOPICS: Mutants = {}
mutant = kept_in(OF_TOPICS)


def without(many: Iterable[ConsumedRecord], one: ConsumedRecord) -> tuple[ConsumedRecord, ...]:
    return tuple(seen for seen in many if seen != one)


def swapped(many: tuple[ConsumedRecord, ...], one: ConsumedRecord, other: ConsumedRecord) -> tuple[ConsumedRecord, ...]:
    """Both at the other's place."""
    places = {one: other, other: one}
    return tuple(replace(seen, offset=places.get(seen, seen).offset) for seen in many)


def rejections(history: History) -> list[ConsumedRecord]:
    return [seen for seen in history.visible if seen.topic == f"{history.prefix}rejections"]


def two_of_one_customer(history: History) -> tuple[ConsumedRecord, ConsumedRecord]:
    for one in history.visible:
        for other in history.visible:
            if (one.topic, one.key) == (other.topic, other.key) and one.offset < other.offset:
                return one, other
    raise AssertionError("no customer has two")


def aborted(history: History) -> ConsumedRecord:
    return next(seen for seen in history.present if seen not in history.visible)


def at_the_end(history: History, one: ConsumedRecord) -> ConsumedRecord:
    """A copy that was written later."""
    last = max(seen.offset for seen in history.present if (seen.topic, seen.partition) == (one.topic, one.partition))
    return replace(one, offset=last + 2)


def committing(history: History, moment: int, by: int, *, number: int = 0) -> History:
    """Some committed offset of this sample, and the number beside it, moved."""
    sample = history.samples[moment]
    place, (offset, beside) = next((place, at) for place, at in sample.committed.items() if at[0] > 1)
    there = int(beside.rpartition("=")[2])
    committed = {**sample.committed, place: (offset + by, metadata(there + number))}
    samples = list(history.samples)
    samples[moment] = replace(sample, committed=committed)
    return replace(history, samples=tuple(samples))


def numbered(history: History, moment: int, by: int) -> History:
    """The committed number of the first lane, moved at this sample."""
    sample = history.samples[moment]
    committed = {
        place: (offset, metadata(int(beside.rpartition("=")[2]) + by) if place[1] == 0 else beside)
        for place, (offset, beside) in sample.committed.items()
    }
    samples = list(history.samples)
    samples[moment] = replace(sample, committed=committed)
    return replace(history, samples=tuple(samples))


@mutant("every_output_is_visible_once")
def an_output_is_dropped(history: History) -> History:
    return replace(history, visible=history.visible[:7] + history.visible[8:])


@mutant("every_output_is_visible_once")
def an_output_is_doubled(history: History) -> History:
    again = at_the_end(history, history.visible[7])
    return replace(history, visible=(*history.visible, again), present=(*history.present, again))


@mutant("every_output_is_visible_once")
def an_aborted_record_is_revealed(history: History) -> History:
    return replace(history, visible=(*history.visible, aborted(history)))


@mutant("outputs_are_in_the_order_of_decisions")
def two_of_one_customer_are_swapped(history: History) -> History:
    one, other = two_of_one_customer(history)
    visible, present = (swapped(many, one, other) for many in (history.visible, history.present))
    return replace(history, visible=visible, present=present)


@mutant("outputs_are_in_the_order_of_decisions")
def one_of_a_customer_lies_in_another_partition(history: History) -> History:
    _, other = two_of_one_customer(history)
    astray = replace(other, partition=(other.partition + 1) % 4, offset=10_000)
    return replace(
        history,
        visible=(*without(history.visible, other), astray),
        present=(*without(history.present, other), astray),
    )


@mutant("nothing_else_is_visible")
def a_byte_is_changed(history: History) -> History:
    one = rejections(history)[0]
    other = replace(one, value=(one.value or b"").replace(b'"detail":"', b'"detail":"!'))
    return replace(
        history, visible=(*without(history.visible, one), other), present=(*without(history.present, one), other)
    )


@mutant("nothing_else_is_visible")
def a_header_is_changed(history: History) -> History:
    one = rejections(history)[0]
    other = replace(one, headers=one.headers[:-1])
    return replace(history, visible=(*without(history.visible, one), other))


@mutant("attempts_that_failed_said_the_same")
def an_aborted_attempt_said_something_else(history: History) -> History:
    one = aborted(history)
    return replace(history, present=(*without(history.present, one), replace(one, value=b"{}")))


@mutant("attempts_that_failed_said_the_same")
def a_visible_record_is_not_in_the_log(history: History) -> History:
    return replace(history, present=without(history.present, history.visible[3]))


@mutant("committed_offsets_never_go_back")
def a_committed_offset_moves_back(history: History) -> History:
    return committing(history, -2, -1)


@mutant("committed_offsets_never_go_back")
def a_committed_number_moves_back(history: History) -> History:
    return numbered(history, -1, -1)


@mutant("offsets_stand_behind_their_number")
def a_committed_offset_moves_forward(history: History) -> History:
    return committing(history, len(history.samples) // 8, 1)


@mutant("nothing_is_left_to_do")
def the_last_committed_offset_moves_forward(history: History) -> History:
    return committing(history, -1, 1)


@mutant("nothing_is_left_to_do")
def the_last_records_are_not_read(history: History) -> History:
    place = (f"{history.prefix}facts", 1)
    end = history.ends[place].high + 1
    return replace(history, ends={**history.ends, place: End(stable=end, high=end)})


@mutant("nothing_is_left_to_do")
def a_lane_has_decided_more_than_it_committed(history: History) -> History:
    lane = history.lanes[0]
    return replace(history, lanes=(replace(lane, sequence=lane.sequence + 1), *history.lanes[1:]))


@mutant("offsets_and_outputs_moved_together")
def an_output_was_visible_before_its_offset(history: History) -> History:
    """At the first sample, everything of the run is stable already."""
    first, last = history.samples[0], history.samples[-1]
    return replace(history, samples=(replace(first, stable=last.stable), *history.samples[1:]))


@mutant("offsets_and_outputs_moved_together")
def an_output_was_sent_after_its_offset(history: History) -> History:
    one = next(seen for seen in history.visible if seen.partition == 0)
    later = at_the_end(history, one)
    visible, present = ((*without(many, one), later) for many in (history.visible, history.present))
    return replace(history, visible=visible, present=present)


@mutant("offsets_and_outputs_moved_together")
def two_topics_of_a_lane_are_committed_with_two_numbers(history: History) -> History:
    return committing(history, -2, 0, number=-1)


@mutant("no_transaction_is_open")
def a_transaction_is_left_open(history: History) -> History:
    place = (f"{history.prefix}rewards", 2)
    end = history.ends[place]
    return replace(history, ends={**history.ends, place: End(stable=end.high - 1, high=end.high)})


@mutant("every_request_has_one_answer")
def a_request_is_answered_twice(history: History) -> History:
    """A repetition of it gets an answer of its own, with an id of its own."""
    one = at_the_end(history, rejections(history)[0])
    headers = tuple((name, b"another" if name == "ce_id" else value) for name, value in one.headers)
    return replace(history, visible=(*history.visible, replace(one, headers=headers)))


@mutant("every_request_has_one_answer")
def a_request_is_rejected_that_nobody_made(history: History) -> History:
    one = at_the_end(history, rejections(history)[0])
    value = (one.value or b"").replace(b'"requestId":"', b'"requestId":"not ')
    return replace(history, visible=(*history.visible, replace(one, value=value)))
