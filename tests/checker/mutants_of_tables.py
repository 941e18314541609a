"""What Postgres holds, or what was sent, changed as no sound worker would have left it."""

from dataclasses import replace

from msgspec import structs

from checker.history import History
from checker.mutants import Mutants, kept_in
from support.topics import ConsumedRecord
from unenroll.core.changes import SettledLeave, SettledReward
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import Rule
from unenroll.wire.dead_letters import content_digest
from unenroll.wire.topics import Record

OF_TABLES: Mutants = {}
mutant = kept_in(OF_TABLES)


@mutant("every_input_has_one_answer")
def a_ledger_row_is_dropped(history: History) -> History:
    return replace(history, ledger=history.ledger[:9] + history.ledger[10:])


@mutant("every_decision_has_its_input")
def a_ledger_row_and_its_number_are_dropped(history: History) -> History:
    return replace(history, ledger=history.ledger[:-1])


@mutant("every_decision_has_its_input")
def a_ledger_row_is_there_twice(history: History) -> History:
    return replace(history, ledger=(*history.ledger, history.ledger[4]))


@mutant("every_decision_has_its_input")
def a_ledger_row_has_other_content(history: History) -> History:
    other = history.ledger[4]._replace(content_hash=bytes(32))
    return replace(history, ledger=(*history.ledger[:4], other, *history.ledger[5:]))


@mutant("every_input_has_one_answer")
def a_dead_letter_is_dropped(history: History) -> History:
    return replace(history, dead=history.dead[1:])


@mutant("every_input_has_one_answer")
def a_good_record_is_dead_lettered_besides(history: History) -> History:
    """Decided, and put aside when it was read once more."""
    row, dead = next(row for row in history.ledger if row.lane_id is not None), history.dead[0]
    at = next(seen for seen in history.inputs if seen.topic == history.topic_ids[row.topic_id or ""])
    digest = _digest(at)
    return replace(history, dead=(*history.dead, dead._replace(topic=at.topic, digest=digest)))


@mutant("every_decision_has_its_input")
def a_dead_letter_has_the_wrong_reason(history: History) -> History:
    return replace(history, dead=(history.dead[0]._replace(reason="no_time"), *history.dead[1:]))


@mutant("every_send_arrived")
def an_acknowledged_record_is_lost(history: History) -> History:
    return replace(history, inputs=history.inputs[1:])


@mutant("every_send_arrived")
def a_record_is_read_that_nobody_sent(history: History) -> History:
    return replace(history, sent=history.sent[1:])


@mutant("every_publication_says_what_was_decided")
def a_publication_has_another_byte(history: History) -> History:
    first, *others = history.publications
    message = first.messages[0]
    other = type(message)(topic=message.topic, key=message.key, value=b"{}", headers=message.headers)
    return replace(history, publications=(replace(first, messages=(other, *first.messages[1:])), *others))


@mutant("every_publication_says_what_was_decided")
def a_publication_is_dropped(history: History) -> History:
    return replace(history, publications=history.publications[1:])


@mutant("accounts_equal_a_fresh_fold")
def a_standing_is_changed(history: History) -> History:
    key, account = next((key, one) for key, one in history.accounts.items() if one.state.settled.rewards)
    reward_id, stands = next(iter(account.state.settled.rewards.items()))
    rule = Rule.NO_SPELL if stands.rule is not Rule.NO_SPELL else Rule.ENROLLED
    rewards: dict[str, SettledReward] = {**account.state.settled.rewards, reward_id: stands._replace(rule=rule)}
    state = account.state._replace(settled=account.state.settled._replace(rewards=rewards))
    return replace(history, accounts={**history.accounts, key: structs.replace(account, state=state)})


@mutant("accounts_equal_a_fresh_fold")
def a_leave_is_settled_otherwise(history: History) -> History:
    key, account = next((key, one) for key, one in history.accounts.items() if one.state.settled.leaves)
    leave = next(iter(account.state.settled.leaves))
    leaves = {**account.state.settled.leaves, leave: SettledLeave(Outcome.NOTHING_LEFT, 99)}
    state = account.state._replace(settled=account.state.settled._replace(leaves=leaves))
    return replace(history, accounts={**history.accounts, key: structs.replace(account, state=state)})


@mutant("accounts_equal_a_fresh_fold")
def a_fact_is_lost(history: History) -> History:
    key, account = next((key, one) for key, one in history.accounts.items() if one.state.account.enrollments)
    facts = account.state.account
    state = account.state._replace(account=facts._replace(enrollments=facts.enrollments[1:]))
    return replace(history, accounts={**history.accounts, key: structs.replace(account, state=state)})


@mutant("accounts_equal_a_fresh_fold")
def an_account_is_dropped(history: History) -> History:
    return replace(history, accounts=dict(list(history.accounts.items())[1:]))


@mutant("accounts_equal_a_fresh_fold")
def an_outcome_in_the_ledger_is_changed(history: History) -> History:
    place, row = next((place, row) for place, row in enumerate(history.ledger) if row.outcome is Outcome.UNENROLLED)
    other = row._replace(outcome=Outcome.NOTHING_LEFT)
    return replace(history, ledger=(*history.ledger[:place], other, *history.ledger[place + 1 :]))


def _digest(seen: ConsumedRecord) -> bytes:
    record = Record(topic=seen.topic, partition=0, offset=0, key=seen.key, value=seen.value, headers=seen.headers)
    return content_digest(record)
