"""Inputs and decisions: each of the one has its one of the other."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from checker.evidence import Evidence, key_of, spot_of
from checker.history import Sent, Spot
from support.topics import ConsumedRecord
from unenroll.core.admission import RefusedEvent, to_fact
from unenroll.core.events import SettlementDue, UnenrollRequested
from unenroll.core.reasons import Reason
from unenroll.postgres.ledger import DeadLetterRow, EventContent, LedgerRow
from unenroll.wire.content_hash import content_version
from unenroll.wire.dead_letters import content_digest
from unenroll.wire.decode import ReceivedEvent
from unenroll.wire.encode import encode_settlement_due
from unenroll.wire.reasons import DeadLetter


def every_send_arrived(found: Evidence) -> Iterator[str]:
    """What was acknowledged lies where it was said to, and nothing lies there that nobody sent."""
    there = {spot_of(seen): seen for seen in found.history.inputs}
    for sent in found.history.sent:
        if sent.spot is not None and (sent.spot not in there or _content(there[sent.spot]) != _said(sent)):
            yield f"what was acknowledged at {sent.spot} is not there"
    said = {_said(sent) for sent in found.history.sent}
    for spot, seen in there.items():
        if _content(seen) not in said and not _is_our_word(found, spot):
            yield f"nobody sent what is at {spot}"


def every_input_has_one_answer(found: Evidence) -> Iterator[str]:
    """Below the committed offset: one ledger row or one dead letter, of a repetition the first one's."""
    ledger = {row.key: row for row in found.history.ledger}
    yield from (f"{key} was loaded, and has no ledger row" for key in found.loaded if key not in ledger)
    dead = {(row.topic, row.digest) for row in found.history.dead}
    for spot, reading in found.readings.items():
        committed = found.committed.get(spot[:2])
        if committed is None or spot[2] >= committed[0]:
            continue
        row = ledger.get(key_of(reading)) if isinstance(reading, ReceivedEvent) else None
        kept = (
            row is not None and isinstance(reading, ReceivedEvent) and not row.content.contradicts(_content_of(reading))
        )
        buried = (spot[0], content_digest(found.records[spot])) in dead
        if kept == buried:
            yield f"{spot} has {'a ledger row and a dead letter' if kept else 'neither ledger row nor dead letter'}"


def every_decision_has_its_input(found: Evidence) -> Iterator[str]:
    """Rows are about what was read where they say, each number of a lane is given once, and none is left out."""
    yield from _twice(found)
    for row in found.history.ledger:
        reading = found.told(row)
        if reading is None or key_of(reading) != row.key or _content_of(reading) != row.content:
            yield f"the ledger has {row.key}, which is not what {found.spot(row)} says"
    for buried in found.history.dead:
        spot = found.spot(buried)
        record = found.records.get(spot)
        if record is None or (spot[0], content_digest(record)) != (buried.topic, buried.digest):
            yield f"the dead letters have {buried.reason}, which is not about {spot}"
        elif (reason := _wrong_reason(found, buried)) is not None:
            yield f"{spot} was refused as {buried.reason}, and it is {reason}"
    yield from _numbers(found)


def _content_of(reading: ReceivedEvent) -> EventContent:
    return EventContent(content_version(reading.event), reading.content_hash, reading.time)


def _twice(found: Evidence) -> Iterator[str]:
    read = [row for row in found.history.ledger if row.lane_id is not None]
    rows: list[LedgerRow | DeadLetterRow] = [*read, *found.history.dead]
    spots: Counter[Spot] = Counter(found.spot(row) for row in rows)
    yield from (f"{spot} was decided {times} times" for spot, times in spots.items() if times > 1)
    keys = Counter(row.key for row in found.history.ledger)
    yield from (f"the ledger has {key} {times} times" for key, times in keys.items() if times > 1)


def _numbers(found: Evidence) -> Iterator[str]:
    ends = {lane.lane_id: lane.sequence for lane in found.history.lanes}
    given = {lane_id: [one.sequence for one in many] for lane_id, many in groupby(found.decisions, lambda one: one[0])}
    for lane_id in ends.keys() | given.keys():
        numbers, last = given.get(lane_id, []), ends.get(lane_id, 0)
        missing = sorted({*range(1, last + 1)} - {*numbers})
        if len(missing) != found.history.erased.get(lane_id, 0) or numbers != sorted(
            {*numbers} & {*range(1, last + 1)}
        ):
            yield f"lane {lane_id} decided up to {last}; {missing or 'none'} missing of {len(numbers)} numbers"


def _wrong_reason(found: Evidence, buried: DeadLetterRow) -> str | None:
    """The reason that it should have. Whether a reward contradicts another depends on the order: not looked at."""
    reading = found.readings[found.spot(buried)]
    if isinstance(reading, DeadLetter):
        return None if buried.reason == reading.reason else str(reading.reason)
    row = next((row for row in found.history.ledger if row.key == key_of(reading)), None)
    if row is not None and row.content.contradicts(_content_of(reading)):
        return None if buried.reason == Reason.ID_CONFLICT else Reason.ID_CONFLICT
    event = reading.event
    if isinstance(event, UnenrollRequested | SettlementDue):
        return "a request that can be answered"
    fact = to_fact(event, found.definitions)
    reason = fact.reason if isinstance(fact, RefusedEvent) else Reason.REWARD_CONFLICT
    return None if buried.reason == reason else str(reason)


def _is_our_word(found: Evidence, spot: Spot) -> bool:
    """Whether it says, as we say it, that a group has grown and an account of it is to be settled again."""
    match found.readings[spot]:
        case ReceivedEvent(event=SettlementDue() as due, time=datetime() as time):
            account = (due.customer_id, due.target_id)
            said = encode_settlement_due(account=account, group_id=due.group_id, version=due.version, time=time)
            versions = [group.version for group in found.history.groups if group.group_id == due.group_id]
            record, owner = found.records[spot], found.definitions.owners.get(due.target_id)
            word_for_word = (record.key, record.value, record.headers) == (said.key, said.value, said.headers)
            return word_for_word and owner == due.group_id and due.version in versions[1:]
        case _:
            return False


def _content(seen: ConsumedRecord) -> tuple[object, ...]:
    return (seen.topic, seen.key, seen.value, seen.headers)


def _said(sent: Sent) -> tuple[object, ...]:
    headers = tuple((name, text.encode() if isinstance(text, str) else text) for name, text in sent.record.headers)
    return (sent.topic, sent.record.key, sent.record.value, headers)
