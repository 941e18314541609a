"""The text of an account does not change, so that every stored text stays readable."""

import pytest

from support.accounts import STATE
from support.events import utc
from unenroll.core.decide import AccountState
from unenroll.core.facts import Account
from unenroll.postgres.account_codec import NOTHING_SEEN, FirstSeen, StoredAccount, dump_account, load_account

SEEN, NOW = utc("2026-04-01T00:00:00Z"), utc("2026-05-01T00:00:00.000001Z")
TEXT = (
    '[1,2,[[["in","/crm"],"2026-01-01T00:00:00Z",2,"0.10",true,"AUTOMATIC"]],'
    '[[["first","/crm"],"2026-03-15T00:00:00Z","😀","agent"],[["second","/crm"],"2026-04-15T00:00:00Z",null,null]],'
    '[["R1",1,"PERIOD_END","2026-01-05T00:00:00Z",null,null],'
    '["R2",3,"IMMEDIATE","2026-03-20T00:00:00Z",4,["12.50","EUR"]]],{"R2":"2026-03-22T00:00:00Z"},'
    '[["UNENROLLED",3],["ALREADY_UNENROLLED",null]],'
    '[["KEPT","CYCLE_FINISHED",null,0,null,null],["CANCELLED","AFTER_UNENROLLMENT","REVERSE",1,1,0]],'
    '[["2026-04-01T00:00:00Z"],["2026-04-01T00:00:00Z","2026-05-01T00:00:00.000001Z"],'
    '["2026-05-01T00:00:00.000001Z","2026-05-01T00:00:00.000001Z"],["2026-05-01T00:00:00.000001Z"]]]'
)


def test_the_text_of_an_account_does_not_change() -> None:
    assert dump_account(STATE, FirstSeen(enrollments=(SEEN,), leaves=(SEEN,)), now=NOW) == TEXT


def test_a_stored_text_is_decoded_to_the_same_account() -> None:
    first_seen = FirstSeen((SEEN,), (SEEN, NOW), (NOW, NOW), (NOW,))
    assert load_account(TEXT, customer_id=1, target_id=21) == StoredAccount(STATE, first_seen)


def test_an_account_without_facts_is_encoded_and_decoded() -> None:
    state = AccountState(account=Account(customer_id=1, target_id=21))
    text = dump_account(state, NOTHING_SEEN, now=NOW)
    assert load_account(text, customer_id=1, target_id=21) == StoredAccount(state, NOTHING_SEEN)


def test_a_text_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="has version 2; this program reads version 1"):
        load_account(TEXT.replace("[1,", "[2,", 1), customer_id=1, target_id=21)
