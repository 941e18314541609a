"""What was loaded, and what we say to ourselves on a topic, changed as no sound worker would have left it."""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from checker.evidence import Evidence, bytes_of, spot_of
from checker.history import History
from checker.mutants import Mutants, kept_in
from support.topics import ConsumedRecord
from unenroll.core.events import EventId, RewardEarned, SettlementDue
from unenroll.postgres.ledger import NO_POSITION, LedgerRow
from unenroll.wire.decode import ReceivedEvent
from unenroll.wire.encode import encode_settlement_due
from unenroll.wire.ndjson import LoadedFact
from unenroll.wire.topics import Message

OF_OURS: Mutants = {}
mutant = kept_in(OF_OURS)


def with_row(history: History, place: int, row: LedgerRow) -> History:
    return replace(history, ledger=(*history.ledger[:place], row, *history.ledger[place + 1 :]))


def loaded_row(history: History) -> tuple[int, LedgerRow]:
    return next((place, row) for place, row in enumerate(history.ledger) if row.lane_id is None)


def with_something_to_publish(history: History, event_type: str) -> tuple[int, tuple[Message, ...]]:
    """The place in the ledger of an event of this type, and what it published."""
    outputs = Evidence(history).refolded.outputs
    of_type = ((place, row) for place, row in enumerate(history.ledger) if row.event_type == event_type)
    told = ((place, outputs.get((row.lane_id or 0, row.sequence or 0), ())) for place, row in of_type)
    return next((place, messages) for place, messages in told if messages)


def our_word(history: History) -> tuple[ConsumedRecord, SettlementDue, datetime]:
    readings = Evidence(history).readings
    for seen in history.inputs:
        match readings[spot_of(seen)]:
            case ReceivedEvent(event=SettlementDue() as due, time=datetime() as time):
                return seen, due, time
    raise AssertionError("nobody is settled again")


def said_otherwise(history: History, word: ConsumedRecord, message: Message) -> History:
    other = replace(word, value=message.value, headers=message.headers)
    return replace(history, inputs=tuple(other if seen == word else seen for seen in history.inputs))


def naming(history: History, *, version: int, away: int = 0) -> History:
    """Our word with this version in it, and a group so many numbers away from its own."""
    word, due, time = our_word(history)
    account = (due.customer_id, due.target_id)
    message = encode_settlement_due(account=account, group_id=due.group_id + away, version=version, time=time)
    return said_otherwise(history, word, message)


@mutant("every_input_has_one_answer")
def a_loaded_fact_is_not_kept(history: History) -> History:
    fact = history.loaded[0]
    lost = replace(fact, event=replace(fact.event, key=EventId("lost", "unenroll:load")))
    return replace(history, loaded=(*history.loaded, lost))


@mutant("every_decision_has_its_input")
def a_fact_is_kept_that_nobody_loaded(history: History) -> History:
    return replace(history, loaded=history.loaded[1:])


@mutant("every_decision_has_its_input")
def a_loaded_fact_is_kept_with_other_content(history: History) -> History:
    place, row = loaded_row(history)
    return with_row(history, place, row._replace(content_hash=bytes(32)))


@mutant("accounts_equal_a_fresh_fold")
def a_loaded_fact_had_something_to_publish(history: History) -> History:
    """A reward that came too late, as if it had been loaded."""
    place, _ = with_something_to_publish(history, "RewardEarned")
    row = history.ledger[place]
    told = Evidence(history).told(row)
    assert told is not None
    assert isinstance(told.event, RewardEarned)
    fact = LoadedFact(event=told.event, event_type=told.event_type, content_hash=told.content_hash, time=told.time)
    columns = [*row[: -len(NO_POSITION)], *NO_POSITION]
    return with_row(replace(history, loaded=(*history.loaded, fact)), place, LedgerRow._make(columns))


@mutant("every_send_arrived")
def our_word_has_another_byte(history: History) -> History:
    word, _, _ = our_word(history)
    other = Message(topic="", key=word.key, value=(word.value or b"") + b" ", headers=word.headers)
    return said_otherwise(history, word, other)


@mutant("every_send_arrived")
def our_word_names_a_version_that_nobody_defined(history: History) -> History:
    return naming(history, version=99)


@mutant("every_send_arrived")
def our_word_names_the_first_version(history: History) -> History:
    return naming(history, version=1)


@mutant("every_send_arrived")
def our_word_names_another_group(history: History) -> History:
    _, due, _ = our_word(history)
    grown = Counter(group.group_id for group in history.groups)
    other = next(group_id for group_id, versions in grown.items() if versions > 1 and group_id != due.group_id)
    return naming(history, version=2, away=other - due.group_id)


@mutant("every_publication_says_what_was_decided")
def our_word_is_followed_as_if_the_group_had_not_grown(history: History) -> History:
    """What the account has to say is not said."""
    _, silent = with_something_to_publish(history, "SettlementDue")
    hidden = {Evidence(history).bytes_of(message) for message in silent}
    return replace(
        history,
        publications=tuple(
            replace(batch, messages=tuple(one for one in batch.messages if one not in silent))
            for batch in history.publications
        ),
        visible=tuple(seen for seen in history.visible if bytes_of(seen) not in hidden),
        present=tuple(seen for seen in history.present if bytes_of(seen) not in hidden),
    )
