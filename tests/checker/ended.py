"""How all stood after the faults were healed and the lanes drained."""

from collections.abc import Iterator

from checker.evidence import Evidence, number_of
from checker.refold import Folded
from support.final_state import checked_settlement
from unenroll.core.changes import SettledAccount
from unenroll.core.events import AccountKey
from unenroll.core.settle import Settlement
from unenroll.kafka.topics import INPUTS
from unenroll.postgres.accounts import KnownAccount


def accounts_equal_a_fresh_fold(found: Evidence) -> Iterator[str]:
    """The tables are what the core makes of the ledger's facts, one by one and all at once."""
    yield from found.refolded.odd
    folded, kept = found.refolded.accounts, found.history.accounts
    yield from (f"{key} is not in the tables" for key in folded.keys() - kept.keys())
    yield from (f"{key} is in the tables, and nobody told of it" for key in kept.keys() - folded.keys())
    for key in folded.keys() & kept.keys():
        yield from _differences(key, folded[key], kept[key])
        yield from _at_once(found, key, kept[key])


def _differences(key: AccountKey, fold: Folded, kept: KnownAccount) -> Iterator[str]:
    if (fold.decisions, fold.waits) != (kept.decisions, kept.waits):
        yield f"{key}: {kept.decisions} decisions, waits {kept.waits}; by the core {fold.decisions}, {fold.waits}"
    if fold.state.account != kept.state.account:
        yield f"{key}: the facts are {kept.state.account}, and {fold.state.account} were told"
    if fold.state.settled != kept.state.settled:
        yield f"{key}: is settled to {kept.state.settled}, and to {fold.state.settled} by the core"


def _at_once(found: Evidence, key: AccountKey, kept: KnownAccount) -> Iterator[str]:
    """The same whatever the order of arrival was, and by the rules as they are written."""
    owner = found.definitions.owner(key.target_id)
    assert owner is not None, key
    settlement = checked_settlement(kept.state.account, owner.targets[key.target_id], owner.calendar)
    if _ended(kept.state.settled) != _wanted(settlement):
        yield f"{key}: is settled to {kept.state.settled}, which is not where all its facts lead"


def _ended(settled: SettledAccount) -> tuple[object, ...]:
    leaves = {key: (leave.outcome, leave.first_dropped) for key, leave in settled.leaves.items()}
    rewards = {one: (now.state, now.rule, now.action, now.leave) for one, now in settled.rewards.items()}
    return leaves, rewards


def _wanted(settlement: Settlement) -> tuple[object, ...]:
    leaves = {key: (leave.outcome, leave.first_dropped) for key, leave in settlement.leaves.items()}
    rewards = {one: (now.state, now.rule, now.action, now.leave) for one, now in settlement.standings.items()}
    return leaves, rewards


def nothing_is_left_to_do(found: Evidence) -> Iterator[str]:
    """No lag; the lanes stand in Postgres where they stand in Kafka."""
    inputs = {found.history.prefix + word for word in INPUTS}
    for place, end in found.history.ends.items():
        offset, _ = found.committed.get(place, (-1, ""))
        if place[0] in inputs and offset != end.high:
            yield f"{place} is committed at {offset} of {end.high}"
    for lane in found.history.lanes:
        for position in lane.positions:
            offset, metadata = found.committed.get((position.topic, lane.partition), (-1, ""))
            if (offset, number_of(metadata)) != (position.offset, lane.sequence):
                decided = f"{position.offset} with number {lane.sequence}"
                yield f"lane {lane.partition} has decided {position.topic} to {decided}, and committed {offset}"
        if lane.published > lane.sequence:
            yield f"lane {lane.partition} is said to have published {lane.published} of {lane.sequence}"


def no_transaction_is_open(found: Evidence) -> Iterator[str]:
    """Everything that was written is decided upon: the last stable offset is the end."""
    for place, end in found.history.ends.items():
        if end.stable != end.high:
            yield f"{place} is stable only up to {end.stable} of {end.high}"
