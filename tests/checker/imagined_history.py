"""A history without any server: the product's pure steps, and a Kafka and a Postgres that are lists."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random

from checker.evidence import spot_of
from checker.history import End, History, Partition, Sent
from checker.imagined_lanes import (
    DECIDED_AT,
    MOST_BYTES,
    PREFIX,
    World,
    arrive,
    begin,
    change,
    close,
    look,
    sent_headers,
    topic_id,
    work,
)
from checker.loaded import first_versions, loaded_facts, outgrown
from checker.refold import definitions_of
from support.arrivals import PARTITIONS, arrival
from support.topics import ConsumedRecord, NewRecord
from support.workload import Workload
from unenroll.core.definitions import DefinitionSet, TargetGroup
from unenroll.core.events import AccountKey
from unenroll.kafka.topics import INPUTS
from unenroll.ops.load.accounts import ChunkAdditions, new_fact
from unenroll.ops.load.accounts import GatheredFacts as Found
from unenroll.postgres.ledger import LedgerRow
from unenroll.wire.decode import ReceivedGroup, decode_group
from unenroll.wire.encode import encode_settlement_due
from unenroll.wire.ndjson import LoadedFact
from unenroll.wire.topics import Record, Topic


def imagined(workload: Workload, *, bad: Iterable[NewRecord] = ()) -> History:
    """What a worker leaves behind that now and then dies between its two commits, or while it sends."""
    loaded = loaded_facts(workload)
    world = World(definitions=definitions_of(first_versions(workload)), rng=Random(workload.seed))  # noqa: S311 - no secret
    _load(world, loaded)
    for number in range(PARTITIONS):
        begin(world, number)
    for part in arrival(workload, 2).parts:
        _part(world, part)
    _tell(world, {"facts": bad})
    for number in range(PARTITIONS):
        work(world, number)
        close(world, number)
    world.samples.append(look(world))
    return _left(world, groups=(*outgrown(workload), *world.definitions.groups.values()), loaded=loaded)


def _left(world: World, *, groups: tuple[TargetGroup, ...], loaded: Iterable[LoadedFact]) -> History:
    ends: dict[Partition, int] = {(PREFIX + word, number): 0 for word in INPUTS for number in range(PARTITIONS)}
    return History(
        prefix=PREFIX,
        groups=groups,
        loaded=tuple(loaded),
        sent=tuple(Sent(topic=seen.topic, record=_put(seen), spot=spot_of(seen)) for seen in world.sent),
        inputs=tuple(world.inputs),
        topic_ids={topic_id(word): PREFIX + word for word in INPUTS},
        lanes=tuple(world.lanes.values()),
        ledger=tuple(world.ledger),
        dead=tuple(world.dead),
        publications=tuple(world.publications),
        accounts=world.accounts,
        visible=tuple(world.visible),
        present=tuple(world.present),
        samples=tuple(world.samples),
        ends={place: End(stable=end, high=end) for place, end in {**ends, **world.ends}.items()},
        dead_letter_bytes=MOST_BYTES,
    )


def _load(world: World, told: Iterable[LoadedFact]) -> None:
    """All in one chunk, as `load` writes it."""
    found = Found(known={}, definitions=world.definitions, accounts={})
    additions = ChunkAdditions(gathered=found, decided_at=DECIDED_AT)
    rows = [row for row in additions.decide(map(new_fact, told)) if isinstance(row, LedgerRow)]
    world.ledger.extend(rows)
    world.known.update({row.key: row.content for row in rows})
    change(world, additions.changed())


def _part(world: World, part: Mapping[str, Sequence[NewRecord]]) -> None:
    """Groups grow, the accounts that wait for it are told of, and what comes besides is decided."""
    grown = [_group(record) for record in part["definitions"]]
    _tell(world, {word: part[word] for word in INPUTS})
    for group in grown:
        if group.version > world.definitions.groups[group.group_id].version:
            groups = {**world.definitions.groups, group.group_id: group}
            world.definitions = DefinitionSet(groups=groups, owners=world.definitions.owners)
            arrive(world, Topic.FACTS, [_due(key, group) for key in _waiting(world, group)])
    for number in range(PARTITIONS):
        work(world, number)


def _tell(world: World, records: Mapping[str, Iterable[NewRecord]]) -> None:
    for word, told in records.items():
        world.sent += arrive(world, word, told)


def _group(definition: NewRecord) -> TargetGroup:
    record = Record(topic="", partition=0, offset=0, key=None, value=definition.value, headers=sent_headers(definition))
    received = decode_group(record)
    assert isinstance(received, ReceivedGroup), received
    return received.group


def _waiting(world: World, group: TargetGroup) -> list[AccountKey]:
    owned = world.definitions.owners
    return [key for key, account in world.accounts.items() if account.waits and owned[key.target_id] == group.group_id]


def _due(key: AccountKey, group: TargetGroup) -> NewRecord:
    told = encode_settlement_due(account=key, group_id=group.group_id, version=group.version, time=DECIDED_AT)
    return NewRecord(key=told.key, value=told.value, headers=list(told.headers))


def _put(seen: ConsumedRecord) -> NewRecord:
    return NewRecord(key=seen.key, value=seen.value, headers=list(seen.headers))
