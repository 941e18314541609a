"""A history without any server: the product's pure steps, and a Kafka and a Postgres that are lists."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random

from checker.history import End, History, Partition, Publication, Sample, Sent
from checker.refold import definitions_of
from stage.arrivals import PARTITIONS, all_records, arrival
from stage.crowd import Crowd
from stage.topics import OUTPUTS, Put, Seen
from unenroll.batch.fold import Fate, Fold
from unenroll.batch.gather import Gathered
from unenroll.batch.numbering import Numbering
from unenroll.batch.readings import Reading, read
from unenroll.core.definitions import Definitions
from unenroll.store.accounts import AccountKey, KnownAccount
from unenroll.store.dead_letters import DeadRow
from unenroll.store.lanes import LaneRow, Position
from unenroll.store.ledger import Content, EventKey, LedgerRow
from unenroll.stream.resume import metadata
from unenroll.stream.topics import INPUTS
from unenroll.wire.names import CARRIES
from unenroll.wire.record import Message, Record

PREFIX = "imagined."
_DECIDED_AT = datetime(2027, 1, 1, tzinfo=UTC)
_MOST_BYTES = 1_000_000
_BATCH = 9


@dataclass(kw_only=True)
class _World:
    """What the lanes have made of the inputs up to now."""

    definitions: Definitions
    chance: Random
    lanes: dict[int, LaneRow] = field(default_factory=dict)
    ledger: list[LedgerRow] = field(default_factory=list)
    dead: list[DeadRow] = field(default_factory=list)
    publications: list[Publication] = field(default_factory=list)
    accounts: dict[AccountKey, KnownAccount] = field(default_factory=dict)
    known: dict[EventKey, Content] = field(default_factory=dict)
    buried: set[tuple[str, bytes]] = field(default_factory=set)
    visible: list[Seen] = field(default_factory=list)
    present: list[Seen] = field(default_factory=list)
    ends: dict[Partition, int] = field(default_factory=lambda: defaultdict(int))
    committed: dict[Partition, tuple[int, str]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)


def imagined(crowd: Crowd, *, bad: Iterable[Put] = ()) -> History:
    """What a worker leaves behind that now and then dies between its two commits, or while it sends."""
    inputs = _inputs(crowd, bad)
    world = _World(definitions=definitions_of(crowd.groups), chance=Random(crowd.seed))  # noqa: S311 - no secret
    for number in range(PARTITIONS):
        _lane(world, number, [seen for seen in inputs if seen.partition == number])
    world.samples.append(_sample(world))
    ends: dict[Partition, int] = {**world.ends, **_input_ends(inputs)}
    return History(
        prefix=PREFIX,
        groups=crowd.groups,
        sent=tuple(Sent(topic=seen.topic, record=_put(seen), spot=_spot(seen)) for seen in inputs),
        inputs=tuple(inputs),
        topic_ids={_topic_id(word): PREFIX + word for word in INPUTS},
        lanes=tuple(world.lanes.values()),
        ledger=tuple(world.ledger),
        dead=tuple(world.dead),
        publications=tuple(world.publications),
        accounts=world.accounts,
        visible=tuple(world.visible),
        present=tuple(world.present),
        samples=tuple(world.samples),
        ends={place: End(stable=end, high=end) for place, end in ends.items()},
        dead_letter_bytes=_MOST_BYTES,
    )


def _inputs(crowd: Crowd, bad: Iterable[Put]) -> list[Seen]:
    """One order of arrival, a customer's on one partition, and what is bad behind it."""
    offsets: dict[Partition, int] = defaultdict(int)
    inputs: list[Seen] = []
    for word, records in all_records(arrival(crowd, 2)).items():
        for record in [*records, *(bad if word == "facts" else ())]:
            place = (PREFIX + word, int(record.key or b"0") % PARTITIONS)
            inputs.append(_seen(place, offsets[place], record.key, record.value, _sent_headers(record)))
            offsets[place] += 1
    return inputs


def _lane(world: _World, number: int, inputs: Sequence[Seen]) -> None:
    positions = tuple(
        Position(topic=PREFIX + word, topic_id=_topic_id(word), partitions=PARTITIONS, offset=0)
        for word in sorted(INPUTS)
    )
    lane = LaneRow(lane_id=number + 1, partition=number, epoch=1, sequence=0, published=0, positions=positions)
    unpublished: list[Message] = []
    _publish(world, lane, ())
    for begin in range(0, len(inputs), _BATCH):
        lane, messages = _decide(world, lane, inputs[begin : begin + _BATCH])
        unpublished.extend(messages)
        if world.chance.randrange(4):  # else it dies here, and the next owner publishes this batch with its next
            _publish(world, lane, unpublished)
            unpublished.clear()
    _publish(world, lane, unpublished)
    world.lanes[number] = replace(lane, published=lane.sequence)


def _decide(world: _World, lane: LaneRow, inputs: Sequence[Seen]) -> tuple[LaneRow, list[Message]]:
    """One batch, as the transaction in Postgres decides it."""
    accepts = {PREFIX + word: CARRIES[word] for word in INPUTS}
    readings = read(map(_record, inputs), accepts)
    gathered = Gathered(definitions=world.definitions, accounts=dict(world.accounts), known=dict(world.known))
    fold = Fold(gathered=gathered, decided_at=_DECIDED_AT, limits=dict.fromkeys(OUTPUTS, _MOST_BYTES))
    fates = fold.take([reading.content for reading in readings])
    after = _kept(world, lane, readings, fates)
    changed = fold.changed()
    world.accounts.update({account.key: account for account in (*changed.known, *changed.new)})
    behind = {seen.topic: seen.offset + 1 for seen in inputs}
    ends = tuple(replace(one, offset=behind.get(one.topic, one.offset)) for one in lane.positions)
    return replace(lane, sequence=after.last_sequence, positions=ends), list(after.messages)


def _kept(world: _World, lane: LaneRow, readings: Sequence[Reading], fates: Sequence[Fate]) -> Publication:
    numbering = Numbering(lane=lane, buried=world.buried, most_bytes=_MOST_BYTES, decided_at=_DECIDED_AT)
    numbered = numbering.number(readings, fates)
    world.ledger.extend(numbered.ledger)
    world.known.update({row.key: row.content for row in numbered.ledger})
    world.dead.extend(numbered.dead)
    world.buried.update((row.topic, row.digest) for row in numbered.dead)
    batch = Publication(
        lane_id=lane.lane_id,
        first_sequence=lane.sequence + 1,
        last_sequence=numbered.sequence,
        messages=tuple(numbered.messages),
    )
    if batch.messages:
        world.publications.append(batch)
    return batch


def _publish(world: _World, lane: LaneRow, messages: Sequence[Message]) -> None:
    """One transaction in Kafka. Every fourth is aborted at first, and done again."""
    if messages and not world.chance.randrange(4):
        world.present += _sent(world, lane, messages)
    sent = _sent(world, lane, messages)
    world.present += sent
    world.visible += sent
    for position in lane.positions:
        world.committed[position.topic, lane.partition] = (position.offset, metadata(lane.sequence))
    world.samples.append(_sample(world))


def _sent(world: _World, lane: LaneRow, messages: Sequence[Message]) -> list[Seen]:
    written = []
    for message in messages:
        place = (PREFIX + message.topic, lane.partition)
        written.append(_seen(place, world.ends[place], message.key, message.value, message.headers))
        world.ends[place] += 1
    for place in {(seen.topic, seen.partition) for seen in written}:
        world.ends[place] += 1  # the transaction's marker
    return written


def _sample(world: _World) -> Sample:
    return Sample(stable=dict(world.ends), committed=dict(world.committed), high=dict(world.ends))


def _seen(
    place: Partition, offset: int, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...]
) -> Seen:
    return Seen(topic=place[0], partition=place[1], offset=offset, key=key, value=value, headers=headers)


def _record(seen: Seen) -> Record:
    return Record(**{name: getattr(seen, name) for name in ("topic", "partition", "offset", "key", "value", "headers")})


def _put(seen: Seen) -> Put:
    return Put(key=seen.key, value=seen.value, headers=list(seen.headers))


def _sent_headers(record: Put) -> tuple[tuple[str, bytes | None], ...]:
    return tuple((name, text.encode() if isinstance(text, str) else text) for name, text in record.headers)


def _spot(seen: Seen) -> tuple[str, int, int]:
    return (seen.topic, seen.partition, seen.offset)


def _topic_id(word: str) -> str:
    return f"id of {word}"


def _input_ends(inputs: Iterable[Seen]) -> dict[Partition, int]:
    ends = {(PREFIX + word, number): 0 for word in INPUTS for number in range(PARTITIONS)}
    for seen in inputs:
        ends[seen.topic, seen.partition] = seen.offset + 1
    return ends
