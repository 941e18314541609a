"""Whether a run ended as it must: each complaint a sentence, none if all is well."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from support.consumer import Heard, in_force, last_word
from support.crowd import Crowd
from support.final_state import Row, Rows, ended, expected, is_due, paid
from unenroll.core.events import EventId, UnenrollRequested
from unenroll.postgres.account_codec import load_account
from unenroll.wire.encode import event_uuid


def complaints(crowd: Crowd, found: Rows, told: Heard, *, keyed: bool) -> Iterator[str]:
    """All that is wrong. `keyed`: a customer's events lay on one partition, so what is published is in order."""
    yield from (f"dead letter: {why}" for why in told.dead)
    yield from (f"{event_id} is visible {times} times" for event_id, times in Counter(told.ids).items() if times > 1)
    yield from (f"definition refused: {row['detail']}" for row in found["definition_refusals"])
    yield from _tables(ended(found), expected(crowd))
    yield from _issuances(found, crowd)
    yield from _answers(found, told, crowd)
    yield from _leaves(found, told, crowd)
    yield from _rewards(found, told)
    if keyed:
        yield from (f"{key} was not told in the order of its revisions" for key in told.jumbled)


def _tables(found: Mapping[str, set[Row]], wanted: Mapping[str, set[Row]]) -> Iterator[str]:
    for table, rows in wanted.items():
        yield from (f"{table} lacks {row}" for row in rows - found[table])
        yield from (f"{table} has {row}" for row in found[table] - rows)


def _issuances(found: Rows, crowd: Crowd) -> Iterator[str]:
    told = paid(crowd.lives)
    for row in found["issuances"]:
        key = (row["customer_id"], row["target_id"], row["reward_id"], row["issued_at"])
        if key not in told:
            yield f"nobody told that {key}"


def _answers(found: Rows, told: Heard, crowd: Crowd) -> Iterator[str]:
    """Exactly one first answer: the rejection that the ledger has, or else a UserUnenrolled."""
    ledger = {(row["customer_id"], str(row["event_key"])): row["outcome"] for row in found["ledger"] if not is_due(row)}
    if len(ledger) != len(crowd.events()):
        yield f"the ledger has {len(ledger)} of {len(crowd.events())} events"
    left = {
        (key[0], data["requestSource"], data["requestId"]) for key, all_of_it in told.left.items() for data in all_of_it
    }
    requests = [event for event in crowd.events() if isinstance(event, UnenrollRequested)]
    for request in requests:
        key = (request.customer_id, request.key.source, request.key.id)
        outcome = ledger.get((request.customer_id, event_uuid(request.key)))
        rejected = told.rejected.get(key, [])
        if rejected != ([] if outcome == "UNENROLLED" else [outcome]) or (outcome == "UNENROLLED" and key not in left):
            yield f"request {key} was decided to be {outcome} at first, and got {rejected or 'no rejection'}"
    strangers = {*told.rejected, *left} - {(one.customer_id, one.key.source, one.key.id) for one in requests}
    yield from (f"nobody asked for {key}" for key in strangers)


def _leaves(found: Rows, told: Heard, crowd: Crowd) -> Iterator[str]:
    """The leaves that a consumer holds to be in force are those that are, and cut where they do."""
    cycles = {target: group.calendar.cycles for group in crowd.groups for target in group.targets}
    cuts: dict[tuple[int, int], dict[str, str]] = {}
    for row in found["leaves"]:
        if row["outcome"] == "UNENROLLED":
            name = cycles[row["target_id"]][row["first_dropped"] - 1].name
            key = event_uuid(EventId(row["id"], row["source"]))
            cuts.setdefault((row["customer_id"], row["target_id"]), {})[key] = name
    for row in found["accounts"]:
        account = (row["customer_id"], row["target_id"])
        state, _ = load_account(row["facts"], customer_id=account[0], target_id=account[1])
        yield from _account(account, state.settled.revision, told.left.get(account, []), cuts=cuts.get(account, {}))


def _account(
    account: tuple[int, int], revision: int, told: list[dict[str, Any]], *, cuts: Mapping[str, str]
) -> Iterator[str]:
    held = in_force(told)
    if isinstance(held, str):
        yield f"account {account}: {held}"
        return
    if len(told) != revision:
        yield f"account {account}: {len(told)} UserUnenrolled of {revision}"
    if held.keys() != cuts.keys():
        yield f"account {account}: {sorted(held)} are told to be in force, and {sorted(cuts)} are"
        return
    for key, data in held.items():
        dropped = data["droppedPeriods"]
        if dropped is not None and dropped["first"] != cuts[key]:
            yield f"account {account}: {key} is told to drop {dropped['first']}, and drops {cuts[key]}"


def _rewards(found: Rows, told: Heard) -> Iterator[str]:
    for row in found["rewards"]:
        key = (row["customer_id"], row["target_id"], row["reward_id"])
        events = told.rewards.get(key, [])
        if [event["revision"] for event in events] != list(range(1, row["revision"] + 1)):
            yield f"reward {key}: revisions {[event['revision'] for event in events]} of {row['revision']}"
            continue
        if last_word(events) != (row["state"], row["action"]):
            yield f"reward {key} is told to be {last_word(events)}, and is {row['state']} {row['action']}"
        blamed = None if row["cancelled_id"] is None else (row["cancelled_id"], row["cancelled_source"])
        named = (events[-1]["requestId"], events[-1]["requestSource"]) if events else None
        if named != blamed:
            yield f"reward {key}: its last event names {named}, and the table {blamed}"
