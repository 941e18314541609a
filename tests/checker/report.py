"""What is wrong with a history, and as much of it as it takes to judge whose fault that is."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from checker.history import History, Sample
from checker.verdict import violations
from unenroll.postgres.lanes import LaneRow

_MOST_SENTENCES = 10
_MOST_CHARACTERS = 600  # of a sentence: some show an account


def told(history: History, *logs: str) -> str:
    """Nothing if the history is sound. `logs`: what those said who made it."""
    wrong = violations(history)
    return "\n".join([*_sentences(wrong), *_lines(history), *logs]) if wrong else ""


def _sentences(wrong: Mapping[str, list[str]]) -> Iterator[str]:
    for invariant, sentences in wrong.items():
        yield f"{invariant}: {len(sentences)} times"
        yield from (f"  {sentence[:_MOST_CHARACTERS]}" for sentence in sentences[:_MOST_SENTENCES])


def _lines(history: History) -> Iterator[str]:
    unknown = sum(sent.spot is None for sent in history.sent)
    yield (
        f"{len(history.sent)} sends, {unknown} of unknown fate, {len(history.inputs)} inputs, {len(history.ledger)} in "
        f"the ledger, {len(history.dead)} dead, {len(history.visible)} visible of {len(history.present)} outputs"
    )
    for lane in history.lanes:
        yield from _lane(history, lane)
    yield from (f"{place} ends at {end.high}, stable to {end.stable}" for place, end in sorted(history.ends.items()))


def _lane(history: History, lane: LaneRow) -> Iterator[str]:
    yield f"lane {lane.partition}: {lane}"
    batches = [(one.first_sequence, one.last_sequence) for one in history.publications if one.lane_id == lane.lane_id]
    yield f"  published in batches {sorted(batches)}"
    yield from (f"  {line}" for line in _moves(history.samples, lane.partition))


def _moves(samples: Iterable[Sample], partition: int) -> Iterator[str]:
    """The samples at which something of the lane was not as before."""
    looks = [(-1, ""), *((moment, _look(sample, partition)) for moment, sample in enumerate(samples))]
    yield from (f"sample {moment}: {look}" for (_, before), (moment, look) in pairwise(looks) if look != before)


def _look(sample: Sample, partition: int) -> str:
    committed, stable, high = (
        {topic.rpartition(".")[2]: result for (topic, number), result in sorted(part.items()) if number == partition}
        for part in (sample.committed, sample.stable, sample.high)
    )
    return f"committed {committed}, before it stable {stable}, after it ends {high}"
