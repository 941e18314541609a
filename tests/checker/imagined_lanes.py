"""A Kafka and a Postgres that are lists, and lanes that work on them by the product's pure steps."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random

from msgspec import structs

from checker.history import Partition, Publication, Sample
from support.arrivals import PARTITIONS
from support.topics import OUTPUTS, ConsumedRecord, NewRecord
from unenroll.core.definitions import DefinitionSet
from unenroll.core.events import AccountKey, EventKey
from unenroll.kafka.committed_offsets import metadata
from unenroll.kafka.topics import INPUTS
from unenroll.postgres.accounts import AccountChanges, KnownAccount
from unenroll.postgres.lanes import LaneRow
from unenroll.postgres.ledger import DeadLetterRow, EventContent, LedgerRow, LetterKey
from unenroll.wire.topics import CARRIES, Message, Position, Record
from unenroll.worker.batch import DecodedRecord, GatheredState, decode_records
from unenroll.worker.fold import AccountFold, FoldResult
from unenroll.worker.numbering import DecisionNumbering

PREFIX = "imagined."
DECIDED_AT = datetime(2027, 1, 1, tzinfo=UTC)
MOST_BYTES = 1_000_000
_BATCH = 9


@dataclass(kw_only=True)
class World:
    """What the lanes have made of the inputs up to now."""

    definitions: DefinitionSet
    rng: Random
    sent: list[ConsumedRecord] = field(default_factory=list)
    inputs: list[ConsumedRecord] = field(default_factory=list)
    unpublished: dict[int, list[Message]] = field(default_factory=lambda: defaultdict(list))
    lanes: dict[int, LaneRow] = field(default_factory=dict)
    ledger: list[LedgerRow] = field(default_factory=list)
    dead: list[DeadLetterRow] = field(default_factory=list)
    publications: list[Publication] = field(default_factory=list)
    accounts: dict[AccountKey, KnownAccount] = field(default_factory=dict)
    known: dict[EventKey, EventContent] = field(default_factory=dict)
    buried: set[LetterKey] = field(default_factory=set)
    visible: list[ConsumedRecord] = field(default_factory=list)
    present: list[ConsumedRecord] = field(default_factory=list)
    ends: dict[Partition, int] = field(default_factory=lambda: defaultdict(int))
    committed: dict[Partition, tuple[int, str]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)


def arrive(world: World, word: str, records: Iterable[NewRecord]) -> list[ConsumedRecord]:
    """Where the records lie now: a customer's on one partition."""
    arrived = []
    for record in records:
        place = (PREFIX + word, int(record.key or b"0") % PARTITIONS)
        arrived.append(_seen(place, world.ends[place], record.key, record.value, sent_headers(record)))
        world.ends[place] += 1
    world.inputs += arrived
    return arrived


def begin(world: World, number: int) -> None:
    positions = tuple(
        Position(topic=PREFIX + word, topic_id=topic_id(word), partitions=PARTITIONS, offset=0)
        for word in sorted(INPUTS)
    )
    world.lanes[number] = LaneRow(
        lane_id=number + 1, partition=number, epoch=1, sequence=0, published=0, positions=positions
    )
    _publish(world, number)


def work(world: World, number: int) -> None:
    """Decide what the lane has not decided yet."""
    behind = {one.topic: one.offset for one in world.lanes[number].positions}
    left = [seen for seen in world.inputs if seen.partition == number and seen.offset >= behind[seen.topic]]
    for begin in range(0, len(left), _BATCH):
        lane, messages = _decide(world, world.lanes[number], left[begin : begin + _BATCH])
        world.lanes[number] = lane
        world.unpublished[number] += messages
        if world.rng.randrange(4):  # else it dies here, and the next owner publishes this batch with its next
            _publish(world, number)


def close(world: World, number: int) -> None:
    _publish(world, number)
    world.lanes[number] = replace(world.lanes[number], published=world.lanes[number].sequence)


def _decide(world: World, lane: LaneRow, inputs: Sequence[ConsumedRecord]) -> tuple[LaneRow, list[Message]]:
    """One batch, as the transaction in Postgres decides it."""
    accepts = {PREFIX + word: CARRIES[word] for word in INPUTS}
    records = decode_records(map(_record, inputs), accepts)
    gathered = GatheredState(definitions=world.definitions, accounts=dict(world.accounts), ledger=dict(world.known))
    fold = AccountFold(gathered=gathered, decided_at=DECIDED_AT, limits=dict.fromkeys(OUTPUTS, MOST_BYTES))
    results = fold.decide_all([decoded.content for decoded in records])
    after = _kept(world, lane, records, results)
    change(world, fold.changed())
    behind = {seen.topic: seen.offset + 1 for seen in inputs}
    ends = tuple(replace(one, offset=behind.get(one.topic, one.offset)) for one in lane.positions)
    return replace(lane, sequence=after.last_sequence, positions=ends), list(after.messages)


def change(world: World, changed: AccountChanges) -> None:
    """Keep the accounts, without what Postgres does not keep of them."""
    changes = (*changed.existing, *changed.new)
    world.accounts.update({account.key: structs.replace(account, settlement=None) for account in changes})


def _kept(world: World, lane: LaneRow, records: Sequence[DecodedRecord], results: Sequence[FoldResult]) -> Publication:
    numbering = DecisionNumbering(lane=lane, old_dead_letters=world.buried, max_bytes=MOST_BYTES, decided_at=DECIDED_AT)
    numbered = numbering.number(records, results)
    world.ledger.extend(numbered.ledger)
    world.known.update({row.key: row.content for row in numbered.ledger})
    world.dead.extend(numbered.dead_letters)
    world.buried.update(LetterKey(row.topic, row.digest) for row in numbered.dead_letters)
    batch = Publication(
        lane_id=lane.lane_id,
        first_sequence=lane.sequence + 1,
        last_sequence=numbered.sequence,
        messages=tuple(numbered.messages),
    )
    if batch.messages:
        world.publications.append(batch)
    return batch


def _publish(world: World, number: int) -> None:
    """One transaction in Kafka. Every fourth is aborted at first, and done again."""
    lane, messages = world.lanes[number], world.unpublished.pop(number, [])
    if messages and not world.rng.randrange(4):
        world.present += _sent(world, lane, messages)
    sent = _sent(world, lane, messages)
    world.present += sent
    world.visible += sent
    for position in lane.positions:
        world.committed[position.topic, lane.partition] = (position.offset, metadata(lane.sequence))
    world.samples.append(look(world))


def _sent(world: World, lane: LaneRow, messages: Sequence[Message]) -> list[ConsumedRecord]:
    written = []
    for message in messages:
        place = (PREFIX + message.topic, lane.partition)
        written.append(_seen(place, world.ends[place], message.key, message.value, message.headers))
        world.ends[place] += 1
    for place in {(seen.topic, seen.partition) for seen in written}:
        world.ends[place] += 1  # the transaction's marker
    return written


def look(world: World) -> Sample:
    return Sample(stable=dict(world.ends), committed=dict(world.committed), high=dict(world.ends))


def _seen(
    place: Partition, offset: int, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...]
) -> ConsumedRecord:
    return ConsumedRecord(topic=place[0], partition=place[1], offset=offset, key=key, value=value, headers=headers)


def _record(seen: ConsumedRecord) -> Record:
    return Record(**{name: getattr(seen, name) for name in ("topic", "partition", "offset", "key", "value", "headers")})


def sent_headers(record: NewRecord) -> tuple[tuple[str, bytes | None], ...]:
    return tuple((name, text.encode() if isinstance(text, str) else text) for name, text in record.headers)


def topic_id(word: str) -> str:
    return f"id of {word}"
